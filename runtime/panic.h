// A panic that nobody catches: an exception that leaves a goroutine.
#ifndef MPG_RUNTIME_PANIC_H_
#define MPG_RUNTIME_PANIC_H_

namespace mpg {
namespace internal {

// Makes std::terminate in a goroutine report as Go does: "panic: <text>", the
// goroutine's stack, exit status 2. Elsewhere the previous handler runs.
// Process-wide, once; any thread.
void InstallTerminateHandler();

// Blocks for ever if a panic is being printed; the process is about to end.
void WaitForDyingPanic();

}  // namespace internal
}  // namespace mpg

#endif  // MPG_RUNTIME_PANIC_H_
