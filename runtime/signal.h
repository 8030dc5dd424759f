// Signals over channels. Go: package os/signal.
//
//   const auto c = mpg::MakeChan<int>(1);
//   mpg::Notify(c, {SIGINT, SIGTERM});
//   c.Recv();                              // until one of them arrives
//   mpg::Stop(c);
//
// Behaviour is that of Go's documentation:
//  - A signal is sent to every channel that has asked for it. The send never
//    blocks: a channel without room loses the signal, so give it a buffer: of 1
//    for one kind of signal. Several of one kind that arrive before the first is
//    sent on may come as one, as the kernel does it, too.
//  - While a channel has asked for a signal, what the signal would have done
//    before is not done: not its default, nor a handler that the program has
//    installed. That comes back with the last Stop, or with Reset. A handler that
//    somebody has put over that of mpg meanwhile stays.
//  - SIGKILL and SIGSTOP cannot be caught; asking for them, or for a number that
//    is no signal, has no effect.
//  - SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP and SIGSYS are sent on if they come
//    from kill and the like. One that the program's own instructions have caused
//    does what it did before. Likewise SIGURG as far as mpg uses it itself.
//  - A signal that all threads of the program block arrives nevertheless: mpg's
//    own thread takes it.
//  - A program that waits for a signal is not deadlocked while any channel is
//    notified. (Go: for ever after the first Notify.)
//
// One thread, started by the first Notify, sends for the whole process; it sleeps
// while there is nothing to send. It knows no Runtime: channels may be those of
// goroutines of any Runtime, or of plain threads.
//
// System calls that a signal interrupts are restarted where POSIX has it so
// (SA_RESTART). A child by fork that does not exec catches signals but sends none.
//
// Thread safety: all functions from any goroutine or thread, not from a signal
// handler. What blocks: the thread that calls Notify, Stop, Reset or Ignore waits
// for mpg's signal thread, some 100 us.
// Source: Go's os/signal and runtime/sigqueue.go.
#ifndef MPG_RUNTIME_SIGNAL_H_
#define MPG_RUNTIME_SIGNAL_H_

#include <signal.h>

#include <string>

#include "absl/types/span.h"
#include "channel/chan.h"

namespace mpg {

// From now on `signals` are sent to c, those of earlier calls as well. None: all
// that can be caught but SIGURG and SIGPROF, whose senders are parts of the
// program. c must not be closed before Stop(c): the send would be a panic. Throws
// Panic if c is nil, std::system_error if the first call gets no thread.
void Notify(SendChan<int> c, absl::Span<const int> signals = {});

// Undoes what Notify(c, ...) has done. When it returns, no signal will be sent to
// c any more, and each that came before is either in c or had no room there.
void Stop(SendChan<int> c);

// `signals` are ignored by the kernel from now on, and sent to no channel. None:
// all that can be caught but SIGURG, SIGPROF and those of faults.
void Ignore(absl::Span<const int> signals = {});

// The process ignores `signal` now: by Ignore or since it was started so.
bool Ignored(int signal);

// Undoes Notify, for all channels, and Ignore for `signals`. None: for all.
void Reset(absl::Span<const int> signals = {});

// In Go's words: "interrupt", "killed", "user defined signal 1"; "signal 17".
std::string SignalName(int signal);

}  // namespace mpg

#endif  // MPG_RUNTIME_SIGNAL_H_
