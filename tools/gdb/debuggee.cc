// A program for mpg-gdb_test.sh: goroutines in every state, then a call of
// AllIsReady; with an argument it dies there.
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/time/time.h"
#include "channel/chan.h"
#include "channel/select.h"
#include "runtime/all_goroutines.h"
#include "runtime/goroutine.h"
#include "runtime/runtime.h"
#include "runtime/time.h"
#include "sync/mutex.h"

namespace {

using mpg::Chan;
using mpg::MakeChan;

std::atomic<int> ready{0};

#define NOINLINE __attribute__((noinline))

NOINLINE void ReceiverFunction(const Chan<int>& c, int argument) {
  ready.fetch_add(1);
  c.Recv();
  std::printf("%d\n", argument);
}

NOINLINE void SenderFunction(const Chan<std::string>& c) {
  ready.fetch_add(1);
  c.Send("three");
}

NOINLINE void CallingFunction(int fd) {
  mpg::Syscall([fd] {
    char byte;
    ready.fetch_add(1);
    while (read(fd, &byte, 1) < 0) {
    }
  });
  std::printf("called\n");
}

NOINLINE void LockingFunction(mpg::Mutex& mu) {
  ready.fetch_add(1);
  mu.Lock();
  mu.Unlock();
}

NOINLINE void SelectingFunction(const Chan<int>& a, const Chan<int>& b) {
  ready.fetch_add(1);
  std::printf("%d\n", mpg::Select(mpg::OnRecv(a), mpg::OnRecv(b)));
}

NOINLINE void SleepingFunction() {
  ready.fetch_add(1);
  mpg::Sleep(absl::Hours(1));
  std::printf("slept\n");
}

NOINLINE void SpinningFunction() {
  ready.fetch_add(1);
  for (;;) {
    asm volatile("" ::: "memory");
  }
}

int NotBlocked() {
  int n = 0;
  for (const auto& g : mpg::internal::AllGoroutines()) {
    n +=
        g.state == "running" || g.state == "runnable" || g.state == "preempted";
  }
  return n;
}

}  // namespace

volatile bool die = false;

NOINLINE void AllIsReady(const Chan<int>& numbers,
                         const Chan<std::string>& strings) {
  asm volatile("" : : "r"(&numbers), "r"(&strings) : "memory");
  if (die) raise(SIGABRT);
  asm volatile("" : : "r"(&numbers), "r"(&strings) : "memory");
}

int main(int argc, char**) {
  die = argc > 1;
  int ends[2];
  if (pipe(ends) != 0) return 1;
  mpg::RuntimeOptions options;
  options.max_procs = 4;
  mpg::Runtime runtime(options);
  runtime.Run([&] {
    auto empty = MakeChan<int>();
    auto numbers = MakeChan<int>(4);
    auto strings = MakeChan<std::string>(2);
    numbers.Send(10);
    numbers.Send(11);
    numbers.Recv();
    numbers.Send(12);
    numbers.Close();
    strings.Send("one");
    strings.Send("two");
    mpg::GoOptions named;
    named.name = "receiver";
    mpg::Go(named, [&] { ReceiverFunction(empty, 42); });
    for (int i = 0; i < 70; ++i) mpg::Go([&] { ReceiverFunction(empty, 43); });
    named.name = "sender";
    mpg::Go(named, [&] { SenderFunction(strings); });
    named.name = "caller";
    mpg::Go(named, [&] { CallingFunction(ends[0]); });
    named.name = "spinner";
    mpg::Go(named, [&] { SpinningFunction(); });
    named.name = "locked";
    mpg::Go(named, [&] {
      mpg::LockOSThread();
      ReceiverFunction(empty, 44);
    });
    mpg::Mutex mu;
    mu.Lock();
    named.name = "locking";
    mpg::Go(named, [&] { LockingFunction(mu); });
    named.name = "selecting";
    mpg::Go(named, [&] { SelectingFunction(empty, empty); });
    named.name = "sleeping";
    mpg::Go(named, [] { SleepingFunction(); });
    while (ready.load() != 78) mpg::Gosched();
    while (NotBlocked() != 2) mpg::Gosched();  // the spinner and this one
    AllIsReady(numbers, strings);
    std::_Exit(0);  // the spinner would keep the Runtime from ending
  });
  return 0;
}
