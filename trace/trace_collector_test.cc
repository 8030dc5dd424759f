#include "trace/trace_collector.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "trace/trace_test_util.h"

namespace mpg {
namespace {

constexpr uint64_t kReasonSleep = 1;  // of Options::strings

std::atomic<int64_t> fake_now{16'000};
int64_t FakeClock() { return fake_now.fetch_add(16); }  // one unit an event

TraceFrame FakeSymbol(uintptr_t pc) {
  return {absl::StrCat("f", pc), "file.cc", pc, /*hidden=*/pc >= 1000};
}

// One thread, one processor, one goroutine, which starts and sleeps.
class FakeProducer : public TraceProducer {
 public:
  TraceCollector::Options OptionsFor(int64_t period_ns) {
    TraceCollector::Options o;
    o.clock = FakeClock;
    o.frequency = 1'000'000;
    o.period_ns = period_ns;
    o.strings = {"sleep"};
    o.symbolize = FakeSymbol;
    return o;
  }

  bool CanSwitch() override { return true; }
  void Switch(TraceTables* tables) override {
    ++switches;
    std::lock_guard<std::mutex> guard(mu_);
    stream->End();
    on_ = tables != nullptr;
    if (!on_) {
      known_ = false;
      return;
    }
    stream->Begin(tables, 7, 0);
    goid_seq_ = proc_seq_ = 0;
    stream->Emit(TraceEvent::kProcStatus, 0, TraceProcStatus::kIdle);
    stream->Emit(TraceEvent::kGoStatus, 1, kNoTraceThread,
                 TraceGoStatus::kRunnable);
    known_ = true;
  }

  // From runnable to runnable again.
  void Work(const std::vector<uintptr_t>& frames = {}) {
    std::lock_guard<std::mutex> guard(mu_);
    if (!on_) return;
    TraceStream& s = *stream;
    s.Emit(TraceEvent::kProcStart, 0, ++proc_seq_);
    s.Emit(TraceEvent::kGoStart, 1, ++goid_seq_);
    const TraceStack* stack =
        s.tables()->Stack(frames.data(), static_cast<uint32_t>(frames.size()));
    s.Emit(TraceEvent::kGoBlock, kReasonSleep, stack ? stack->id : 0);
    s.Emit(TraceEvent::kGoUnblock, 1, ++goid_seq_, 0);
    s.Emit(TraceEvent::kProcStop);
  }

  std::unique_ptr<TraceStream> stream;
  std::atomic<int> switches{0};

 private:
  std::mutex mu_;
  bool on_ = false;
  bool known_ = false;
  uint64_t goid_seq_ = 0, proc_seq_ = 0;
};

class TraceCollectorTest : public testing::Test {
 protected:
  explicit TraceCollectorTest(int64_t period_ns = 3'600'000'000'000)
      : collector_(&producer_, producer_.OptionsFor(period_ns)) {
    producer_.stream = std::make_unique<TraceStream>(&collector_, FakeClock);
  }
  ~TraceCollectorTest() override { producer_.stream.reset(); }

  static std::string Path(const char* name) {
    return absl::StrCat(testing::TempDir(), "/", name, getpid(), ".trace");
  }

  // Every event's arguments, of one type.
  static std::vector<std::vector<uint64_t>> ArgsOf(const ParsedTrace& t,
                                                   TraceEvent type) {
    std::vector<std::vector<uint64_t>> out;
    for (const ParsedEvent& e : t.events) {
      if (e.type == static_cast<int>(type)) out.push_back(e.args);
    }
    return out;
  }

  FakeProducer producer_;
  TraceCollector collector_;
};

TEST_F(TraceCollectorTest, AFileHoldsTheEventsInOrderAndItsTables) {
  const std::string path = Path("file");
  ASSERT_TRUE(collector_.StartFile(path).ok());
  producer_.Work({10, 20, 2000});
  ASSERT_TRUE(collector_.StopFile().ok());
  producer_.Work();  // too late

  const ParsedTrace t = ParseTrace(ReadTraceFile(path));
  std::vector<int> types;
  uint64_t last = 0;
  for (const ParsedEvent& e : t.events) {
    types.push_back(e.type);
    EXPECT_EQ(e.thread, 7u);
    EXPECT_GT(e.time, last);
    last = e.time;
  }
  EXPECT_EQ(types, (std::vector<int>{13, 25, 10, 16, 20, 21, 11}));
  ASSERT_EQ(t.generations.size(), 1u);
  ParsedGeneration g = t.generations.begin()->second;
  EXPECT_EQ(g.frequency, 1'000'000u);
  EXPECT_EQ(g.strings[kReasonSleep], "sleep");
  const auto block = ArgsOf(t, TraceEvent::kGoBlock);
  ASSERT_EQ(block.size(), 1u);
  EXPECT_EQ(block[0][0], kReasonSleep);
  const auto stack = g.stacks[block[0][1]];
  ASSERT_EQ(stack.size(), 2u) << "a hidden frame is left out";
  EXPECT_EQ(stack[0][0], 10u);
  EXPECT_EQ(g.strings[stack[0][1]], "f10");
  EXPECT_EQ(g.strings[stack[0][2]], "file.cc");
  EXPECT_EQ(stack[0][3], 10u);
  EXPECT_EQ(g.strings[stack[1][1]], "f20");
  remove(path.c_str());
}

TEST_F(TraceCollectorTest, NothingIsLostWhenBuffersFillUp) {
  const std::string path = Path("full");
  ASSERT_TRUE(collector_.StartFile(path).ok());
  constexpr int kRounds = 100'000;
  for (int i = 0; i < kRounds; ++i) producer_.Work({1, 2});
  ASSERT_TRUE(collector_.StopFile().ok());
  const ParsedTrace t = ParseTrace(ReadTraceFile(path));
  EXPECT_GT(t.batches, 10);
  const auto starts = ArgsOf(t, TraceEvent::kGoStart);
  ASSERT_EQ(starts.size(), size_t{kRounds});
  for (int i = 0; i < kRounds; ++i) {
    ASSERT_EQ(starts[i][1], 2u * i + 1) << "sequence numbers";
  }
  EXPECT_EQ(t.generations.begin()->second.stacks.size(), 1u) << "one stack";
  remove(path.c_str());
}

TEST_F(TraceCollectorTest, OneFileAtATime) {
  const std::string path = Path("one");
  EXPECT_EQ(collector_.StopFile().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_FALSE(collector_.StartFile("/no/such/folder/x").ok());
  ASSERT_TRUE(collector_.StartFile(path).ok());
  EXPECT_EQ(collector_.StartFile(path).code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(collector_.StopFile().ok());
  EXPECT_TRUE(collector_.StartFile(path).ok());
  EXPECT_TRUE(collector_.StopFile().ok());
  EXPECT_EQ(
      ArgsOf(ParseTrace(ReadTraceFile(path)), TraceEvent::kGoStatus).size(),
      1u);
  remove(path.c_str());
}

TEST_F(TraceCollectorTest, ADiskThatIsFullIsReported) {
  if (access("/dev/full", W_OK) != 0) GTEST_SKIP() << "no /dev/full";
  ASSERT_TRUE(collector_.StartFile("/dev/full").ok());
  for (int i = 0; i < 50'000; ++i) producer_.Work();
  EXPECT_FALSE(collector_.StopFile().ok());
}

TEST_F(TraceCollectorTest, TheFlightRecorderKeepsTheLastGenerations) {
  const std::string path = Path("flight");
  EXPECT_EQ(collector_.WriteFlight(path).code(),
            absl::StatusCode::kFailedPrecondition);
  // No age is young enough: only the last complete generation stays.
  ASSERT_TRUE(collector_.StartFlight(0, 1 << 20).ok());
  EXPECT_EQ(collector_.StartFlight(0, 1).code(),
            absl::StatusCode::kFailedPrecondition);
  producer_.Work({1});
  ASSERT_TRUE(collector_.WriteFlight(path).ok());
  ParsedTrace t = ParseTrace(ReadTraceFile(path));
  EXPECT_EQ(ArgsOf(t, TraceEvent::kGoBlock).size(), 1u);
  producer_.Work({2});
  producer_.Work({3});
  ASSERT_TRUE(collector_.WriteFlight(path).ok());
  t = ParseTrace(ReadTraceFile(path));
  EXPECT_EQ(t.generations.size(), 1u);
  EXPECT_EQ(ArgsOf(t, TraceEvent::kGoBlock).size(), 2u);
  EXPECT_TRUE(collector_.StopFlight().ok());
  remove(path.c_str());
}

TEST_F(TraceCollectorTest, TheFlightRecorderKeepsNoMoreThanItMay) {
  const std::string path = Path("max");
  ASSERT_TRUE(collector_.StartFlight(3'600'000'000'000, 100'000).ok());
  for (int g = 0; g < 10; ++g) {
    for (int i = 0; i < 1000; ++i) producer_.Work();
    ASSERT_TRUE(collector_.WriteFlight(path).ok());
  }
  const std::string bytes = ReadTraceFile(path);
  EXPECT_LE(bytes.size(), 100'016u);
  const ParsedTrace t = ParseTrace(bytes);
  EXPECT_GT(t.generations.size(), 1u);
  EXPECT_LT(t.generations.size(), 10u);
  EXPECT_TRUE(collector_.StopFlight().ok());
  remove(path.c_str());
}

TEST_F(TraceCollectorTest, AFileAndAFlightRecorderAtTheSameTime) {
  const std::string file = Path("both_file"), flight = Path("both_flight");
  ASSERT_TRUE(collector_.StartFlight(3'600'000'000'000, 1 << 20).ok());
  producer_.Work();
  ASSERT_TRUE(collector_.StartFile(file).ok());
  producer_.Work();
  producer_.Work();
  ASSERT_TRUE(collector_.StopFile().ok());
  producer_.Work();
  ASSERT_TRUE(collector_.WriteFlight(flight).ok());
  ASSERT_TRUE(collector_.StopFlight().ok());
  const ParsedTrace of_file = ParseTrace(ReadTraceFile(file));
  EXPECT_EQ(ArgsOf(of_file, TraceEvent::kGoBlock).size(), 2u);
  EXPECT_EQ(
      ArgsOf(ParseTrace(ReadTraceFile(flight)), TraceEvent::kGoBlock).size(),
      4u);
  remove(file.c_str());
  remove(flight.c_str());
}

TEST_F(TraceCollectorTest, ADyingProcessWritesWhatIsInTheBuffers) {
  const std::string path = Path("dying");
  EXPECT_EXIT(
      {
        (void)collector_.StartFile(path);
        producer_.Work();
        collector_.Die([this](absl::FunctionRef<void(const TraceStream&)> fn) {
          fn(*producer_.stream);
        });
        _exit(3);
      },
      testing::ExitedWithCode(3), "");
  const ParsedTrace t = ParseTrace(ReadTraceFile(path));
  EXPECT_EQ(ArgsOf(t, TraceEvent::kGoBlock).size(), 1u);
  EXPECT_EQ(t.generations.begin()->second.frequency, 1'000'000u);
  remove(path.c_str());
}

class ManyGenerationsTest : public TraceCollectorTest {
 protected:
  ManyGenerationsTest() : TraceCollectorTest(/*period_ns=*/2'000'000) {}
};

std::string FindGo() {
  if (const char* go = getenv("MPG_GO")) return go;
  if (access("/usr/lib/go-1.23/bin/go", X_OK) == 0) {
    return "/usr/lib/go-1.23/bin/go";
  }
  return system("command -v go >/dev/null 2>&1") == 0 ? "go" : "";
}

// Else a long generation would be held in memory.
TEST_F(TraceCollectorTest, FullBuffersAreWrittenBeforeTheGenerationEnds) {
  const std::string path = Path("full");
  ASSERT_TRUE(collector_.StartFile(path).ok());
  const auto size = [&path] {
    struct stat file = {};
    return stat(path.c_str(), &file) == 0 ? file.st_size : 0;
  };
  const int64_t patience = NanoTime() + 60'000'000'000;
  while (size() < (4 << 20) && NanoTime() < patience) {
    for (int i = 0; i < 1000; ++i) producer_.Work();
  }
  EXPECT_GE(size(), 4 << 20);
  EXPECT_EQ(producer_.switches, 1);  // the trace's beginning
  ASSERT_TRUE(collector_.StopFile().ok());
  remove(path.c_str());
}

TEST_F(ManyGenerationsTest, GenerationsFollowOneAnotherWhileEventsAreMade) {
  const std::string path = Path("many");
  ASSERT_TRUE(collector_.StartFile(path).ok());
  int64_t rounds = 0;
  // Each generation that the time asks for begins with a status of goroutine 1.
  const int64_t patience = NanoTime() + 60'000'000'000;
  while (producer_.switches < 5 && NanoTime() < patience) {
    producer_.Work({1, 2, 3});
    ++rounds;
    std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
  ASSERT_TRUE(collector_.StopFile().ok());
  const ParsedTrace t = ParseTrace(ReadTraceFile(path));
  EXPECT_GT(t.generations.size(), 3u);
  EXPECT_EQ(ArgsOf(t, TraceEvent::kGoStatus).size(), t.generations.size());
  EXPECT_EQ(ArgsOf(t, TraceEvent::kGoStart).size(),
            static_cast<size_t>(rounds));

  const std::string go = FindGo();
  if (go.empty()) {
    remove(path.c_str());
    GTEST_SKIP() << "Go is not installed (set MPG_GO to its go program)";
  }
  // What Go 1.24 calls parsed, 1.23 calls 1.
  const std::string command =
      absl::StrCat(go, " tool trace -d=1 ", path, " >/dev/null 2>&1 || ", go,
                   " tool trace -d=parsed ", path, " >/dev/null");
  const int status = system(command.c_str());
  EXPECT_EQ(status, 0) << command;
  remove(path.c_str());
}

__attribute__((noinline)) uint64_t StackFromHere(TraceStream* s,
                                                 const void* hi) {
  return s->Stack(__builtin_frame_address(0), hi);
}

TEST_F(TraceCollectorTest, AStackIsWalkedByFramePointersWithinItsBounds) {
  TraceTables tables(1, {});
  TraceStream stream(&collector_, FakeClock);
  stream.Begin(&tables, 1, 0);
  // A hand-made chain of two frames, whose second one leads nowhere.
  uintptr_t memory[8] = {};
  memory[0] = reinterpret_cast<uintptr_t>(&memory[4]);
  memory[1] = 111;
  memory[4] = 12345;  // not within the stack
  memory[5] = 222;
  const uint64_t two = stream.Stack(&memory[0], &memory[8]);
  EXPECT_NE(two, 0u);
  EXPECT_EQ(stream.Stack(&memory[0], &memory[8]), two) << "known";
  const uint64_t one = stream.Stack(&memory[0], &memory[4]);
  EXPECT_NE(one, two) << "the second frame is beyond the stack's end";
  EXPECT_EQ(stream.Stack(&memory[0], &memory[1]), 0u);
  memory[5] = 333;
  EXPECT_NE(stream.Stack(&memory[0], &memory[8]), two);
  // Not the outermost one: it leads nowhere, but is not next to the end.
  memory[2] = 0;
  memory[3] = 444;
  memory[0] = reinterpret_cast<uintptr_t>(&memory[2]);
  const uint64_t inner = stream.Stack(&memory[0], &memory[8]);
  memory[3] = 555;
  EXPECT_NE(stream.Stack(&memory[0], &memory[8]), inner);
  std::vector<std::vector<uintptr_t>> stacks(10);
  tables.ForEachStack(
      [&](const TraceStack& s) { stacks[s.id].assign(s.pcs, s.pcs + s.size); });
  EXPECT_EQ(stacks[two], (std::vector<uintptr_t>{111, 222}));
  EXPECT_EQ(stacks[one], (std::vector<uintptr_t>{111}));
  EXPECT_NE(StackFromHere(&stream,
                          static_cast<char*>(__builtin_frame_address(0)) + 256),
            0u);
  stream.End();
}

}  // namespace
}  // namespace mpg
