// What the scheduler knows of the debug socket (debug_server.h). Internal.
#ifndef MPG_RUNTIME_DEBUG_THREADS_H_
#define MPG_RUNTIME_DEBUG_THREADS_H_

namespace mpg {
namespace internal {

// ServeDebug($MPG_DEBUG_SOCKET), once in the process.
void ServeDebugIfAsked();

// Threads that wait for a client, and wake nobody. For deadlock detection.
int IdleDebugThreads();

}  // namespace internal
}  // namespace mpg

#endif  // MPG_RUNTIME_DEBUG_THREADS_H_
