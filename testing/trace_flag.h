// --mpg_trace=FILE for GoogleTest programs: an execution trace of all that the tests
// do, for `go tool trace` and tools/trace. As go test -trace.
//
//   int main(int argc, char** argv) {
//     testing::InitGoogleTest(&argc, argv);
//     mpg::testing::TraceTestsIfAsked(&argc, argv);
//     return RUN_ALL_TESTS();
//   }
//
// or, instead of gtest_main, link //testing:gtest_main, whose main() is that one.
// Under Bazel: bazel test --test_arg=--mpg_trace=trace.out.
//
// Death tests that run the program again are not traced, nor are forks.
//
// Thread safety: none; to be called once, before RUN_ALL_TESTS.
#ifndef MPG_TESTING_TRACE_FLAG_H_
#define MPG_TESTING_TRACE_FLAG_H_

namespace mpg {
namespace testing {

// Takes the flag out of the arguments. The trace begins when the tests begin and
// ends when all have run; then a relative FILE is where the program was started. A
// file that cannot be written ends the program with status 2 and a message, as go
// test does.
void TraceTestsIfAsked(int* argc, char** argv);

}  // namespace testing
}  // namespace mpg

#endif  // MPG_TESTING_TRACE_FLAG_H_
