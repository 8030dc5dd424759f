// A pool of workers that look for the factor of a number; the first to find it
// cancels the context, and the others and the feeder stop.
#include <cstdio>
#include <optional>

#include "channel/chan.h"
#include "channel/select.h"
#include "context/context.h"
#include "runtime/runtime.h"
#include "sync/wait_group.h"

int main() {
  return mpg::Main([] {
    constexpr long kProduct = 1009L * 1000003;
    const auto [ctx, cancel] = mpg::WithCancel(mpg::Background());
    const auto jobs = mpg::MakeChan<long>();
    const auto found = mpg::MakeChan<long>(4);
    mpg::WaitGroup workers;
    for (int w = 0; w < 4; ++w) {
      workers.Go([jobs, found, ctx = ctx, cancel = cancel] {
        while (ctx.Err().ok()) {
          mpg::Select(mpg::OnRecv(jobs,
                                  [&](std::optional<long> divisor) {
                                    if (kProduct % *divisor != 0) return;
                                    found.Send(*divisor);
                                    cancel();
                                  }),
                      mpg::OnRecv(ctx.Done()));
        }
      });
    }
    for (long divisor = 2; ctx.Err().ok(); ++divisor) {
      mpg::Select(mpg::OnSend(jobs, divisor), mpg::OnRecv(ctx.Done()));
    }
    workers.Wait();
    std::printf("factor: %ld; workers stopped: %s\n", *found.Recv(),
                ctx.Err().ToString().c_str());
    return 0;
  });
}
