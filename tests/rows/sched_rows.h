// Rows about goroutines: yield, spawn, park, memory.
#ifndef MPG_TESTS_ROWS_SCHED_ROWS_H_
#define MPG_TESTS_ROWS_SCHED_ROWS_H_

#include <vector>

#include "tests/rows/driver.h"

namespace mpg {
namespace rows {

void AddSchedRows(std::vector<Bench>* benches);

}  // namespace rows
}  // namespace mpg

#endif  // MPG_TESTS_ROWS_SCHED_ROWS_H_
