// Rows about what would stall the rest: system calls, loops that make no call.
#ifndef MPG_TESTS_ROWS_STALL_ROWS_H_
#define MPG_TESTS_ROWS_STALL_ROWS_H_

#include <vector>

#include "tests/rows/driver.h"

namespace mpg {
namespace rows {

void AddStallRows(std::vector<Bench>* benches);

}  // namespace rows
}  // namespace mpg

#endif  // MPG_TESTS_ROWS_STALL_ROWS_H_
