// A select loop: one goroutine owns an account and serves deposits and queries,
// each on its channel, until it is told to quit. No lock.
#include <cstdio>
#include <optional>

#include "channel/chan.h"
#include "channel/select.h"
#include "channel/unit.h"
#include "runtime/goroutine.h"
#include "runtime/runtime.h"
#include "sync/wait_group.h"

int main() {
  return mpg::Main([] {
    const auto deposits = mpg::MakeChan<int>();
    const auto balances = mpg::MakeChan<int>();
    const auto quit = mpg::MakeChan<mpg::Unit>();
    const auto served = mpg::MakeChan<int>();
    mpg::Go([=] {
      int balance = 0, requests = 0;
      for (bool running = true; running;) {
        mpg::Select(mpg::OnRecv(deposits,
                                [&](std::optional<int> amount) {
                                  balance += *amount;
                                  ++requests;
                                }),
                    mpg::OnSend(balances, balance, [&] { ++requests; }),
                    mpg::OnRecv(quit, [&] { running = false; }));
      }
      served.Send(requests);
    });
    mpg::WaitGroup customers;
    for (int c = 0; c < 10; ++c) {
      customers.Go([=] {
        for (int i = 0; i < 10; ++i) deposits.Send(c);
      });
    }
    customers.Wait();
    const int balance = *balances.Recv();
    quit.Close();
    std::printf("balance: %d after %d requests\n", balance, *served.Recv());
    return 0;
  });
}
