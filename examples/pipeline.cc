// A pipeline: stages connected by channels, each closing its output when its
// input ends; two squarers share a stage and their results are merged.
#include <cstdio>

#include "channel/chan.h"
#include "runtime/goroutine.h"
#include "runtime/runtime.h"
#include "sync/wait_group.h"

namespace {

mpg::RecvChan<long> Count(long n) {
  const auto out = mpg::MakeChan<long>();
  mpg::Go([out, n] {
    for (long i = 1; i <= n; ++i) out.Send(i);
    out.Close();
  });
  return out;
}

mpg::RecvChan<long> Square(mpg::RecvChan<long> in, int workers) {
  const auto out = mpg::MakeChan<long>();
  mpg::Go([in, out, workers] {
    mpg::WaitGroup wg;
    for (int w = 0; w < workers; ++w) {
      wg.Go([in, out] {
        for (long v : in) out.Send(v * v);
      });
    }
    wg.Wait();
    out.Close();
  });
  return out;
}

}  // namespace

int main() {
  return mpg::Main([] {
    long sum = 0;
    for (long square : Square(Count(100), 2)) sum += square;
    std::printf("sum of squares: %ld\n", sum);
    return 0;
  });
}
