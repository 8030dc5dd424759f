// Driver of the row benchmarks: whole programs of goroutines, measured as Go's
// and other libraries' versions of the same programs are, so that one run can
// compare them. Prints a line for each benchmark and number of Ps:
//
//   name/P=procs<TAB>median<TAB>min<TAB>extra
//
// median and min over the repetitions, in nanoseconds an operation unless extra
// says otherwise. Every benchmark runs in a process of its own, so that stacks,
// threads and heap of one do not colour the next.
#ifndef MPG_TESTS_ROWS_DRIVER_H_
#define MPG_TESTS_ROWS_DRIVER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "runtime/runtime.h"

namespace mpg {
namespace rows {

// What one repetition yields.
struct Sample {
  double ns = 0;
  std::map<std::string, double> extra;
};

// Operations done and the nanoseconds they took.
struct Timed {
  int64_t ops;
  int64_t ns;
};

struct Bench {
  std::string name;
  std::vector<int> procs;
  std::string note;  // printed in extra: the unit, or what an operation is
  // Exactly one of the following is set.
  // Performs about n operations in the main goroutine; n is calibrated such
  // that a repetition takes 200 to 500 ms.
  std::function<Timed(int64_t n)> op;
  // One repetition of fixed size, in the main goroutine.
  std::function<Sample()> once;
  // The same, on the plain main thread, beside the Runtime's goroutines.
  std::function<Sample(Runtime&)> outside;
  // A new process for each repetition.
  bool fresh = false;
};

// A Bench of each of the three forms. Once and Outside get fresh processes.
Bench Op(std::string name, std::vector<int> procs,
         std::function<Timed(int64_t)> op, std::string note);
Bench Once(std::string name, std::vector<int> procs,
           std::function<Sample()> once, std::string note);
Bench Outside(std::string name, std::vector<int> procs,
              std::function<Sample(Runtime&)> outside, std::string note);

// The body of main(): parses flags, runs what they ask for.
int Main(int argc, char** argv, const std::vector<Bench>& benches);

// body does exactly n operations.
std::function<Timed(int64_t)> Exactly(std::function<void(int64_t)> body);

// k goroutines, each doing body(n / k); from the common start to the last end.
std::function<Timed(int64_t)> Each(int k, std::function<void(int64_t)> body);

double ProcessCpuMs();  // user and system time so far
double RssBytes();

}  // namespace rows
}  // namespace mpg

#endif  // MPG_TESTS_ROWS_DRIVER_H_
