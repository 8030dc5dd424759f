// Fails a GoogleTest test that leaves goroutines behind, and prints them with their
// stacks. As go.uber.org/goleak does for Go.
//
//   TEST(ServerTest, Stops) {
//     mpg::testing::LeakCheck leak_check;
//     mpg::Runtime runtime;
//     ...
//   }
//
// or for all tests of a program, in its main() after InitGoogleTest:
//
//   mpg::testing::FailTestsThatLeak();
//
// A goroutine is left behind if it was not there when the LeakCheck was made, and
//  - is still there when the LeakCheck is destroyed, or
//  - belongs to a Runtime that ends before that: there the goroutines that have not
//    ended would be abandoned without a word.
// The goroutine that destroys the LeakCheck is not counted. Goroutines that are about
// to end get time for it: the check looks again and again until none is left or
// LeakOptions::wait is over. A check that finds none costs nothing to speak of.
//
// Thread safety: a LeakCheck is for one thread or goroutine; several may exist, and
// each reports what it finds. A Runtime may end on any thread.
#ifndef MPG_TESTING_LEAK_CHECK_H_
#define MPG_TESTING_LEAK_CHECK_H_

#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"

namespace mpg {

namespace internal {
struct ProfiledGoroutine;
struct Sched;
}  // namespace internal

namespace testing {

struct LeakOptions {
  // How long goroutines that are ending may take.
  absl::Duration wait = absl::Seconds(1);
  // Goroutines that have a function on their stack, or were created by one, whose
  // name contains one of these, are nobody's leak. goleak: IgnoreAnyFunction.
  std::vector<std::string> ignore_functions;
};

class LeakCheck {
 public:
  explicit LeakCheck(LeakOptions options = {});
  // Check(), and a failure of the running test (as by ADD_FAILURE) if it finds any.
  ~LeakCheck();
  LeakCheck(const LeakCheck&) = delete;
  LeakCheck& operator=(const LeakCheck&) = delete;

  // The goroutines left behind up to now, as a dump shows them, with a first line
  // that says how many they are; empty: none. Blocks as long as the options say.
  std::string Check();

 private:
  using Id = std::pair<uint64_t, int64_t>;  // Runtime and number

  bool Counts(const internal::ProfiledGoroutine& g) const;
  std::string Report(const std::vector<internal::ProfiledGoroutine>& all) const;
  void RuntimeEnds(internal::Sched* s);
  static void OnRuntimeEnd(internal::Sched* s);

  const LeakOptions options_;
  std::set<Id> before_;
  std::string abandoned_;  // reports of Runtimes that have ended
};

// From now on each test of the program has a LeakCheck around it, its
// fixture included. Call it once, before RUN_ALL_TESTS.
void FailTestsThatLeak(LeakOptions options = {});

}  // namespace testing
}  // namespace mpg

#endif  // MPG_TESTING_LEAK_CHECK_H_
