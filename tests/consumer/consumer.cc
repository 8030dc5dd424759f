// A program in another workspace that uses mpg's run queue, and nothing else of
// mpg: tests/consumer/run.sh.
#include <cstdio>

#include "queue/runq.h"

#ifndef CONSUMER_HAS_ITS_OWN_ABSEIL
#error "mpg chose Abseil although the consumer has one"
#endif

int main() {
  mpg::RunQueue<int> queue;
  int first = 1;
  int second = 2;
  auto overflow = [](int**, int) {};
  queue.Put(&first, /*next=*/false, overflow);
  queue.Put(&second, /*next=*/false, overflow);
  int* const a = queue.Get().t;
  int* const b = queue.Get().t;
  const bool ok = a == &first && b == &second && queue.Get().t == nullptr;
  std::puts(ok ? "the consumer's queue is FIFO"
               : "the consumer's queue is broken");
  return ok ? 0 : 1;
}
