// Rows about timers and sleeping.
#ifndef MPG_TESTS_ROWS_TIME_ROWS_H_
#define MPG_TESTS_ROWS_TIME_ROWS_H_

#include <vector>

#include "tests/rows/driver.h"

namespace mpg {
namespace rows {

void AddTimeRows(std::vector<Bench>* benches);

}  // namespace rows
}  // namespace mpg

#endif  // MPG_TESTS_ROWS_TIME_ROWS_H_
