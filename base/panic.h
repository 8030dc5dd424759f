// How misuse is reported: a Panic can be caught, a FatalError cannot.
#ifndef MPG_BASE_PANIC_H_
#define MPG_BASE_PANIC_H_

#include <stdexcept>
#include <string>

#include "absl/strings/string_view.h"

namespace mpg {

// Thrown where Go panics: "send on closed channel", "close of nil channel",
// "sync: negative WaitGroup counter". what() is Go's text. A Panic that leaves
// a goroutine ends the program as Go does.
class Panic : public std::logic_error {
 public:
  explicit Panic(absl::string_view message)
      : std::logic_error(std::string(message)) {}
};

// Prints "fatal error: <message>" to stderr and ends the process with exit
// status 2, as Go's runtime.throw and fatal do. Where a scheduler is linked,
// the goroutines are dumped first. Any thread; never returns; a second call
// while one is under way waits for the first to end the process.
[[noreturn]] void FatalError(absl::string_view message);

// Called by FatalError between message and exit. Set once, by the scheduler.
void SetFatalErrorHook(void (*hook)());

// Writes to stderr without buffering or allocation: usable in a signal handler.
void PrintError(absl::string_view text);

}  // namespace mpg

#endif  // MPG_BASE_PANIC_H_
