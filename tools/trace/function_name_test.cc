#include "tools/trace/function_name.h"

#include <string>

#include "gtest/gtest.h"

namespace mpg {
namespace tracetool {
namespace {

TEST(ShortFunctionNameTest, DropsParametersAndLongArguments) {
  const struct {
    const char* name;
    const char* expected;
  } kCases[] = {
      {"worker(int)", "worker"},
      {"mpg::internal::Sched::Run(absl::AnyInvocable<void ()>)",
       "mpg::internal::Sched::Run"},
      {"mpg::examples::PassRoundRing(int, mpg::RecvChan<int>, mpg::Chan<int>)",
       "mpg::examples::PassRoundRing"},
      {"mpg::Chan<int>::Send(int const&) const", "mpg::Chan<int>::Send"},
      {"std::map<int, std::vector<int> >::at(int const&)", "std::map<...>::at"},
      {"void mpg::Go<F, int>(F&&, int&&)", "mpg::Go<...>"},
      {"std::vector<int> mpg::Make<int>(int) [with T = int]", "mpg::Make<int>"},
      {"mpg::f(int) [clone .cold]", "mpg::f"},
      {"mpg::(anonymous namespace)::Serve(int)",
       "mpg::(anonymous namespace)::Serve"},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(ShortFunctionName(c.name), c.expected);
  }
}

TEST(ShortFunctionNameTest, KeepsWhichLambdaItIs) {
  EXPECT_EQ(ShortFunctionName("mpg::NthPrime(int)::{lambda()#2}"),
            "mpg::NthPrime::{lambda()#2}");
  EXPECT_EQ(ShortFunctionName(
                "f(int, char)::{lambda(auto:1, int)#3}::operator()(int) const"),
            "f::{lambda()#3}::operator()");
  EXPECT_EQ(ShortFunctionName("g(int)::{lambda()#1}::operator()() const::"
                              "{lambda(long)#2}::_FUN(long)"),
            "g::{lambda()#1}::operator()::{lambda()#2}::_FUN");
}

TEST(ShortFunctionNameTest, KnowsOperators) {
  EXPECT_EQ(ShortFunctionName("A::operator<(A const&) const"), "A::operator<");
  EXPECT_EQ(ShortFunctionName("std::ostream& operator<< <char>(int)"),
            "operator<<<char>");
  EXPECT_EQ(ShortFunctionName("A::operator->() const"), "A::operator->");
  EXPECT_EQ(ShortFunctionName("A::operator bool() const"), "A::operator bool");
  EXPECT_EQ(ShortFunctionName("operator new(unsigned long)"), "operator new");
  EXPECT_EQ(ShortFunctionName("my_operator<int>(int)"), "my_operator<int>");
}

TEST(ShortFunctionNameTest, LeavesGoNamesAlone) {
  for (const char* name :
       {"main.main", "main.main.func1", "main.(*T).Method", "glob..func2",
        "runtime.(*traceAdvancerState).start.func1", "main.Map[...]",
        "main.Map[go.shape.int,go.shape.struct { X int }].func1", "?", ""}) {
    EXPECT_EQ(ShortFunctionName(name), name);
  }
}

TEST(ShortFunctionNameTest, TakesNamesThatWereCut) {
  EXPECT_EQ(ShortFunctionName("mpg::Run(absl::AnyInvocable<void"), "mpg::Run");
  EXPECT_EQ(ShortFunctionName("mpg::Run<absl::AnyInv"), "mpg::Run<...>");
  EXPECT_EQ(ShortFunctionName("f::{lambda(int"), "f::{lambda()}");
  EXPECT_EQ(ShortFunctionName("f)>}]"), "f)>}]");
  EXPECT_EQ(ShortFunctionName("f "), "f ");
}

}  // namespace
}  // namespace tracetool
}  // namespace mpg
