// Rows about locks, wait groups and semaphores.
#ifndef MPG_TESTS_ROWS_SYNC_ROWS_H_
#define MPG_TESTS_ROWS_SYNC_ROWS_H_

#include <vector>

#include "tests/rows/driver.h"

namespace mpg {
namespace rows {

void AddSyncRows(std::vector<Bench>* benches);

}  // namespace rows
}  // namespace mpg

#endif  // MPG_TESTS_ROWS_SYNC_ROWS_H_
