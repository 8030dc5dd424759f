// absl::Status with the system's errno kept, and Go's words for it.
//
// Thread safety: pure functions.
// Source: Go's os.SyscallError, syscall.Errno.
#ifndef MPG_BASE_ERRNO_STATUS_H_
#define MPG_BASE_ERRNO_STATUS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace mpg {

// The errno behind `status`; 0: there is none.
int ErrnoOf(const absl::Status& status);

namespace internal {

// "connection reset by peer": strerror's words as Go writes them.
std::string ErrnoText(int error);
// "context: call: text", with errno kept. `context` and `call` may be empty.
absl::Status ErrnoStatus(int error, absl::string_view context,
                         absl::string_view call);
// `status` with "context: " before its message.
absl::Status Annotate(const absl::Status& status, absl::string_view context);

}  // namespace internal
}  // namespace mpg

#endif  // MPG_BASE_ERRNO_STATUS_H_
