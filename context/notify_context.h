// NotifyContext: a Context that a signal cancels.
//
//   auto [ctx, stop] = mpg::NotifyContext(mpg::Background(), {SIGINT, SIGTERM});
//   const auto give_back = absl::MakeCleanup(stop);
//   Serve(ctx);                            // until ^C, which then kills again
//
// Thread safety: any goroutine or thread. Does not block, but see signal.h.
// Source: Go's signal.NotifyContext.
#ifndef MPG_CONTEXT_NOTIFY_CONTEXT_H_
#define MPG_CONTEXT_NOTIFY_CONTEXT_H_

#include <functional>
#include <utility>

#include "absl/types/span.h"
#include "context/context.h"

namespace mpg {

// A context that is cancelled when one of `signals` (none: any, see Notify in
// runtime/signal.h) comes, when the returned function is called, or with `parent`.
// After a signal its Cause() is Cancelled, "interrupt signal received" and the
// like.
//
// Until the function is called the signals are not what they were: call it as
// soon as the context has ended, and a second ^C kills the program. It may be
// called again, to no effect.
//
// One goroutine waits for the signal until the context ends; called on a plain
// thread, one thread.
std::pair<Context, std::function<void()>> NotifyContext(
    const Context& parent, absl::Span<const int> signals = {});

}  // namespace mpg

#endif  // MPG_CONTEXT_NOTIFY_CONTEXT_H_
