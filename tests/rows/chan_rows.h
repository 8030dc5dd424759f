// Rows about channels and select.
#ifndef MPG_TESTS_ROWS_CHAN_ROWS_H_
#define MPG_TESTS_ROWS_CHAN_ROWS_H_

#include <vector>

#include "tests/rows/driver.h"

namespace mpg {
namespace rows {

void AddChanRows(std::vector<Bench>* benches);

}  // namespace rows
}  // namespace mpg

#endif  // MPG_TESTS_ROWS_CHAN_ROWS_H_
