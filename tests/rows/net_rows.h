// Rows about the network: round trips over loopback, and requests of wrk.
#ifndef MPG_TESTS_ROWS_NET_ROWS_H_
#define MPG_TESTS_ROWS_NET_ROWS_H_

#include <vector>

#include "tests/rows/driver.h"

namespace mpg {
namespace rows {

void AddNetRows(std::vector<Bench>* benches);

}  // namespace rows
}  // namespace mpg

#endif  // MPG_TESTS_ROWS_NET_ROWS_H_
