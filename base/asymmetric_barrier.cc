#include "base/asymmetric_barrier.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace mpg {
namespace {

bool Membarrier(int command) {
  const int saved = errno;
  const bool ok = syscall(SYS_membarrier, command, 0, 0) == 0;
  errno = saved;
  return ok;
}

}  // namespace

bool HeavyBarrier() {
  static const bool registered =
      Membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
  return registered && Membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
}

}  // namespace mpg
