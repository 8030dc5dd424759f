// main() for tests that shall be traced when asked: see trace_flag.h.
#include "gtest/gtest.h"
#include "testing/trace_flag.h"

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  mpg::testing::TraceTestsIfAsked(&argc, argv);
  return RUN_ALL_TESTS();
}
