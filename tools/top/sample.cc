// A program to look at with mpg-top: some goroutines talk, some sleep, some wait;
// until its standard input ends.
#include <unistd.h>

#include "absl/time/time.h"
#include "channel/chan.h"
#include "runtime/goroutine.h"
#include "runtime/runtime.h"
#include "runtime/time.h"

int main() {
  return mpg::Main([] {
    auto ping = mpg::MakeChan<int>();
    auto pong = mpg::MakeChan<int>();
    auto never = mpg::MakeChan<int>();
    mpg::Go([=] {
      for (int v : ping) pong.Send(v);
    });
    mpg::Go([=] {
      for (;;) {
        ping.Send(1);
        pong.Recv();
      }
    });
    for (int i = 0; i < 7; ++i) mpg::Go([=] { never.Recv(); });
    for (int i = 0; i < 3; ++i) {
      mpg::Go([] {
        for (;;) mpg::Sleep(absl::Hours(1));
      });
    }
    mpg::Syscall([] {
      char byte;
      while (read(STDIN_FILENO, &byte, 1) > 0) {
      }
    });
    return 0;
  });
}
