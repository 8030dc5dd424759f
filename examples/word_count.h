// Parallel word count: one goroutine a file, results over one channel.
#ifndef MPG_EXAMPLES_WORD_COUNT_H_
#define MPG_EXAMPLES_WORD_COUNT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "channel/chan.h"

namespace mpg {
namespace examples {

struct FileCount {
  std::string path;
  int64_t lines = 0;
  int64_t words = 0;  // runs of bytes that are not white space
  int64_t bytes = 0;
};

// Counts one file; an error if it cannot be opened or read.
absl::StatusOr<FileCount> CountFile(const std::string& path);

// Starts a goroutine for each path; one result each arrives on the channel, in
// the order in which they are done. Call it in a goroutine.
RecvChan<absl::StatusOr<FileCount>> CountFiles(
    const std::vector<std::string>& paths);

}  // namespace examples
}  // namespace mpg

#endif  // MPG_EXAMPLES_WORD_COUNT_H_
