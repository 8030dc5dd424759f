#ifndef MPG_BASE_OPEN_FDS_H_
#define MPG_BASE_OPEN_FDS_H_

#include <dirent.h>

namespace mpg {
namespace internal {

// Descriptors of this process that are open.
inline int OpenFds() {
  DIR* const dir = opendir("/proc/self/fd");
  int n = 0;
  while (readdir(dir) != nullptr) ++n;
  closedir(dir);
  return n - 3;  // ".", "..", and that of dir
}

}  // namespace internal
}  // namespace mpg

#endif  // MPG_BASE_OPEN_FDS_H_
