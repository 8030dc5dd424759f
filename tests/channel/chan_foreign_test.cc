// Every blocking call on channels, by plain threads, while Runtimes start and
// end.
#include <cstddef>
#include <functional>
#include <vector>

#include "absl/types/span.h"
#include "base/panic.h"
#include "channel/chan.h"
#include "channel/select.h"
#include "gtest/gtest.h"
#include "tests/sync/foreign.h"

// What abandoned goroutines hold is never freed, by contract.
extern "C" int __lsan_is_turned_off() { return 1; }

namespace mpg {
namespace {

using sync_test::BlockingCall;
using sync_test::NamedCall;

template <class F>
BlockingCall Receiving(size_t capacity, F receive) {
  const auto c = MakeChan<int>(capacity);
  return {[c, receive] { receive(c); },
          [c] {
            int v = 1;
            c.TrySend(v);
          }};
}

template <class F>
BlockingCall Sending(size_t capacity, F send) {
  const auto c = MakeChan<int>(capacity);
  for (size_t i = 0; i < capacity; ++i) c.Send(1);
  return {[c, send] { send(c); }, [c] { c.TryRecv(); }};
}

BlockingCall UntilClosed(std::function<void(Chan<int>)> block) {
  const auto c = MakeChan<int>();
  return {[c, block] { block(c); }, [c] { c.Close(); }, nullptr, false, true};
}

template <size_t kCases>
void SelectFromSpan(Chan<int> c) {
  std::vector<Chan<int>> others;
  std::vector<SelectCase> cases;
  for (size_t i = 0; i < kCases; ++i) {
    others.push_back(i == kCases / 2 ? c : MakeChan<int>());
    cases.push_back(OnRecv(others.back()));
  }
  EXPECT_EQ(Select(absl::MakeSpan(cases)), static_cast<int>(kCases / 2));
}

const NamedCall kCalls[] = {
    {"Recv", [] { return Receiving(0, [](Chan<int> c) { c.Recv(); }); }},
    {"RecvBuffered",
     [] { return Receiving(3, [](Chan<int> c) { c.Recv(); }); }},
    {"Range", [] { return Receiving(0, [](Chan<int> c) { c.begin(); }); }},
    {"Send", [] { return Sending(0, [](Chan<int> c) { c.Send(1); }); }},
    {"SendBuffered", [] { return Sending(3, [](Chan<int> c) { c.Send(1); }); }},
    {"SelectOfOne",
     [] { return Receiving(0, [](Chan<int> c) { Select(OnRecv(c)); }); }},
    {"SelectRecv",
     [] {
       return Receiving(0, [](Chan<int> c) {
         EXPECT_EQ(Select(OnRecv(MakeChan<int>()), OnRecv(c)), 1);
       });
     }},
    {"SelectSend",
     [] {
       return Sending(0, [](Chan<int> c) {
         EXPECT_EQ(Select(OnSend(MakeChan<int>(), 1), OnSend(c, 1)), 1);
       });
     }},
    {"SelectFromSpan", [] { return Receiving(0, SelectFromSpan<7>); }},
    {"SelectFromLongSpan", [] { return Receiving(2, SelectFromSpan<20>); }},
    {"RecvUntilClosed",
     [] { return UntilClosed([](Chan<int> c) { EXPECT_FALSE(c.Recv()); }); }},
    {"SendUntilClosed",
     [] {
       return UntilClosed([](Chan<int> c) { EXPECT_THROW(c.Send(1), Panic); });
     }},
    {"SelectUntilClosed",
     [] {
       return UntilClosed([](Chan<int> c) {
         EXPECT_EQ(Select(OnRecv(MakeChan<int>()), OnRecv(c)), 1);
       });
     }},
};

MPG_TEST_FOREIGN_CALLS(ChanForeign, kCalls)

}  // namespace
}  // namespace mpg
