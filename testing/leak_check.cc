#include "testing/leak_check.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "runtime/all_goroutines.h"
#include "runtime/backtrace.h"
#include "runtime/goroutine.h"
#include "runtime/time.h"
#include "sync/mutex.h"

namespace mpg {
namespace testing {
namespace {

using internal::ProfiledGoroutine;

// Those that exist. mpg::Mutex: a Runtime's end may have to wait for a goroutine's
// check, and the other way round.
Mutex checks_mu;
std::vector<LeakCheck*>& Checks() ABSL_EXCLUSIVE_LOCKS_REQUIRED(checks_mu) {
  static auto* checks = new std::vector<LeakCheck*>;
  return *checks;
}

// A goroutine must let the others run, a thread needs no timer for this.
void Pause(absl::Duration d) {
  if (Goid() != 0) {
    Sleep(d);
  } else {
    std::this_thread::sleep_for(absl::ToChronoNanoseconds(d));
  }
}

// Calls look() until it returns an empty report or `wait` is over, less and less
// often. Returns the last report.
template <class Look>
std::string Retry(absl::Duration wait, Look&& look) {
  const auto end =
      std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(wait);
  for (absl::Duration pause = absl::Microseconds(100);;
       pause = std::min(2 * pause, absl::Milliseconds(100))) {
    const bool last = std::chrono::steady_clock::now() >= end;
    std::string report = look();
    if (report.empty() || last) return report;
    Pause(pause);
  }
}

bool HasFunction(const ProfiledGoroutine& g, const std::string& name) {
  for (const void* pc : g.pcs) {
    if (absl::StrContains(internal::FunctionName(pc), name)) return true;
  }
  return absl::StrContains(g.created_by, name);
}

}  // namespace

LeakCheck::LeakCheck(LeakOptions options) : options_(std::move(options)) {
  for (const ProfiledGoroutine& g : internal::AllGoroutines()) {
    before_.insert({g.runtime, g.goid});
  }
  MutexLock lock(&checks_mu);
  Checks().push_back(this);
  internal::SetRuntimeEndHook(&OnRuntimeEnd);
}

LeakCheck::~LeakCheck() {
  const std::string leaks = Check();
  {
    MutexLock lock(&checks_mu);
    auto& checks = Checks();
    checks.erase(std::find(checks.begin(), checks.end(), this));
    if (checks.empty()) internal::SetRuntimeEndHook(nullptr);
  }
  if (!leaks.empty()) ADD_FAILURE() << leaks;
}

bool LeakCheck::Counts(const ProfiledGoroutine& g) const {
  if (g.is_caller || before_.count({g.runtime, g.goid}) != 0) return false;
  for (const std::string& name : options_.ignore_functions) {
    if (HasFunction(g, name)) return false;
  }
  return true;
}

std::string LeakCheck::Report(const std::vector<ProfiledGoroutine>& all) const {
  int n = 0;
  std::string dump;
  for (const ProfiledGoroutine& g : all) {
    if (!Counts(g)) continue;
    ++n;
    absl::StrAppend(&dump, "\n", internal::FormatGoroutine(g));
  }
  if (n == 0) return "";
  return absl::StrCat(n, n == 1 ? " goroutine was" : " goroutines were",
                      " left behind:\n", dump);
}

std::string LeakCheck::Check() {
  std::string now = Retry(options_.wait,
                          [this] { return Report(internal::AllGoroutines()); });
  MutexLock lock(&checks_mu);
  return abandoned_ + now;
}

// With checks_mu held, lest the check goes meanwhile.
void LeakCheck::RuntimeEnds(internal::Sched* s) {
  abandoned_ += Retry(options_.wait, [this, s] {
    // Most have none left: then nobody is stopped.
    if (internal::CountGoroutines(s) == 0) return std::string();
    return Report(internal::GoroutinesOf(s));
  });
}

void LeakCheck::OnRuntimeEnd(internal::Sched* s) {
  MutexLock lock(&checks_mu);
  for (LeakCheck* check : Checks()) check->RuntimeEnds(s);
}

namespace {

class Listener final : public ::testing::EmptyTestEventListener {
 public:
  explicit Listener(LeakOptions options) : options_(std::move(options)) {}
  void OnTestStart(const ::testing::TestInfo&) override {
    check_ = std::make_unique<LeakCheck>(options_);
  }
  // Before the printer's: so the failure is still the test's.
  void OnTestEnd(const ::testing::TestInfo&) override { check_.reset(); }

 private:
  const LeakOptions options_;
  std::unique_ptr<LeakCheck> check_;
};

}  // namespace

void FailTestsThatLeak(LeakOptions options) {
  ::testing::UnitTest::GetInstance()->listeners().Append(
      new Listener(std::move(options)));
}

}  // namespace testing
}  // namespace mpg
