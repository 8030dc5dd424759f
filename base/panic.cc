#include "base/panic.h"

#include <errno.h>
#include <unistd.h>

#include <atomic>

namespace mpg {
namespace {

std::atomic<void (*)()> fatal_hook{nullptr};
std::atomic<pid_t> dying{0};

}  // namespace

void PrintError(absl::string_view text) {
  while (!text.empty()) {
    const ssize_t n = write(STDERR_FILENO, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;  // nowhere left to complain
    text.remove_prefix(static_cast<size_t>(n));
  }
}

void SetFatalErrorHook(void (*hook)()) { fatal_hook.store(hook); }

void FatalError(absl::string_view message) {
  pid_t nobody = 0;
  const pid_t self = gettid();
  if (!dying.compare_exchange_strong(nobody, self)) {
    // The dump itself failed: leave at once, with Go's status for that.
    if (nobody == self) _exit(3);
    for (;;) pause();
  }
  PrintError("fatal error: ");
  PrintError(message);
  PrintError("\n");
  if (void (*hook)() = fatal_hook.load()) hook();
  _exit(2);
}

}  // namespace mpg
