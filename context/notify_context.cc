#include "context/notify_context.h"

#include <optional>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/park.h"
#include "channel/chan.h"
#include "channel/select.h"
#include "channel/unit.h"
#include "runtime/signal.h"

namespace mpg {

std::pair<Context, std::function<void()>> NotifyContext(
    const Context& parent, absl::Span<const int> signals) {
  auto [ctx, cancel] = WithCancelCause(parent);
  const Chan<int> came = MakeChan<int>(1);
  Notify(came, signals);
  if (ctx.Err().ok()) {
    SpawnConcurrent([came, ctx = ctx, cancel = cancel] {
      Select(OnRecv(came,
                    [&](std::optional<int> signal) {
                      cancel(absl::CancelledError(absl::StrCat(
                          SignalName(*signal), " signal received")));
                    }),
             OnRecv(ctx.Done(), [](std::optional<Unit>) {}));
    });
  }
  return {ctx, [came, cancel = cancel] {
            cancel(absl::OkStatus());
            Stop(came);
          }};
}

}  // namespace mpg
