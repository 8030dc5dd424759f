// The row benchmarks: see driver.h, and docs/performance.md for how to run them
// beside Go's.
#include <vector>

#include "tests/rows/chan_rows.h"
#include "tests/rows/driver.h"
#include "tests/rows/net_rows.h"
#include "tests/rows/sched_rows.h"
#include "tests/rows/stall_rows.h"
#include "tests/rows/sync_rows.h"
#include "tests/rows/time_rows.h"

int main(int argc, char** argv) {
  std::vector<mpg::rows::Bench> benches;
  mpg::rows::AddSchedRows(&benches);
  mpg::rows::AddChanRows(&benches);
  mpg::rows::AddSyncRows(&benches);
  mpg::rows::AddTimeRows(&benches);
  mpg::rows::AddStallRows(&benches);
  mpg::rows::AddNetRows(&benches);
  return mpg::rows::Main(argc, argv, benches);
}
