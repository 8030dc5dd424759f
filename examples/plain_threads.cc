// The same channel with no scheduler: std::threads that talk. Links
// //channel:chan and nothing of //runtime.
#include <cstdio>
#include <thread>
#include <vector>

#include "channel/chan.h"

int main() {
  const auto jobs = mpg::MakeChan<int>(8);
  const auto squares = mpg::MakeChan<long>();
  std::vector<std::thread> workers;
  for (int w = 0; w < 3; ++w) {
    workers.emplace_back([jobs, squares] {
      for (int job : jobs) squares.Send(static_cast<long>(job) * job);
    });
  }
  std::thread feeder([jobs] {
    for (int i = 1; i <= 100; ++i) jobs.Send(i);
    jobs.Close();
  });
  long sum = 0;
  for (int i = 0; i < 100; ++i) sum += *squares.Recv();
  feeder.join();
  for (std::thread& worker : workers) worker.join();
  std::printf("sum of the squares of 1 to 100: %ld\n", sum);
  return sum == 338350 ? 0 : 1;
}
