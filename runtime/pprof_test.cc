#include "runtime/pprof.h"

#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "channel/chan.h"
#include "channel/select.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/goroutine.h"
#include "runtime/real_tools.h"
#include "runtime/test_util.h"
#include "runtime/time.h"
#include "sync/mutex.h"
#include "sync/rwmutex.h"
#include "sync/wait_group.h"

// Functions to be found in profiles.
inline void NoTailCall() { asm volatile(""); }

[[gnu::noinline]] void WaitAsOneOfMany(mpg::Chan<int> c) {
  c.Recv();
  NoTailCall();
}
[[gnu::noinline]] void BlockInChannel(mpg::Chan<int> c) {
  c.Recv();
  NoTailCall();
}
[[gnu::noinline]] void BlockInSelect(mpg::Chan<int> c) {
  mpg::Select(mpg::OnRecv(c, [](std::optional<int>) {}),
              mpg::OnRecv(mpg::MakeChan<int>(), [](std::optional<int>) {}));
  NoTailCall();
}
[[gnu::noinline]] void BlockInWaitGroup(mpg::WaitGroup* wg) {
  wg->Wait();
  NoTailCall();
}
[[gnu::noinline]] void BlockInMutex(mpg::Mutex* mu) {
  mu->Lock();
  mu->Unlock();
  NoTailCall();
}
[[gnu::noinline]] void BlockInSleep() {
  mpg::Sleep(absl::Milliseconds(3));
  NoTailCall();
}
[[gnu::noinline]] void LetGoOfMutex(mpg::Mutex* mu) ABSL_UNLOCK_FUNCTION(mu) {
  mu->Unlock();
  NoTailCall();
}
[[gnu::noinline]] void LetGoOfRWMutex(mpg::RWMutex* mu)
    ABSL_UNLOCK_FUNCTION(mu) {
  mu->Unlock();
  NoTailCall();
}

namespace mpg {
namespace pprof {
namespace {

using internal::Eventually;
using internal::FindGo;
using internal::InTurns;
using internal::OutputOf;
using internal::Procs;
using internal::RunWith;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;

std::string Gunzip(const std::string& data) {
  z_stream z;
  memset(&z, 0, sizeof z);
  EXPECT_EQ(inflateInit2(&z, 15 + 16), Z_OK);
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
  z.avail_in = static_cast<uInt>(data.size());
  std::string out;
  int result = Z_OK;
  while (result == Z_OK) {
    char buffer[4096];
    z.next_out = reinterpret_cast<Bytef*>(buffer);
    z.avail_out = sizeof buffer;
    result = inflate(&z, Z_NO_FLUSH);
    out.append(buffer, sizeof buffer - z.avail_out);
  }
  EXPECT_EQ(result, Z_STREAM_END);
  EXPECT_EQ(z.avail_in, 0u);
  inflateEnd(&z);
  return out;
}

// --- A decoder of its own, after the published profile.proto -------------------

struct Field {
  int number;
  uint64_t value = 0;       // of a varint
  absl::string_view bytes;  // of something with a length
};

bool TakeVarint(absl::string_view* in, uint64_t* out) {
  *out = 0;
  for (int shift = 0; shift < 64 && !in->empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(in->front());
    in->remove_prefix(1);
    *out |= uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

std::vector<Field> Fields(absl::string_view in) {
  std::vector<Field> out;
  while (!in.empty()) {
    uint64_t tag;
    Field f;
    if (!TakeVarint(&in, &tag) || !TakeVarint(&in, &f.value)) {
      ADD_FAILURE() << "a varint is cut off";
      return out;
    }
    f.number = static_cast<int>(tag >> 3);
    if ((tag & 7) == 2) {
      if (f.value > in.size()) {
        ADD_FAILURE() << "a field is longer than its message";
        return out;
      }
      f.bytes = in.substr(0, f.value);
      in.remove_prefix(f.value);
    } else {
      EXPECT_EQ(tag & 7, 0u) << "a wire type that profile.proto does not have";
    }
    out.push_back(f);
  }
  return out;
}

std::vector<uint64_t> Packed(absl::string_view in) {
  std::vector<uint64_t> out;
  uint64_t v;
  while (!in.empty() && TakeVarint(&in, &v)) out.push_back(v);
  return out;
}

struct DecodedSample {
  std::vector<std::string> functions;  // innermost first
  std::vector<int64_t> values;
  std::map<std::string, std::string> labels;

  bool Has(const std::string& function) const {
    for (const std::string& f : functions) {
      if (absl::StrContains(f, function)) return true;
    }
    return false;
  }
};

struct Decoded {
  std::vector<std::string> types;  // "type/unit"
  std::string period_type;
  std::vector<DecodedSample> samples;

  // Sums of the values of samples with this function.
  std::vector<int64_t> Of(const std::string& function) const {
    std::vector<int64_t> sum(types.size());
    for (const DecodedSample& s : samples) {
      if (!s.Has(function)) continue;
      for (size_t i = 0; i < sum.size(); ++i) sum[i] += s.values[i];
    }
    return sum;
  }
};

Decoded Decode(const std::string& gz) {
  const std::string message = Gunzip(gz);
  const std::vector<Field> fields = Fields(message);
  std::vector<std::string> strings;
  std::map<uint64_t, std::string> functions;
  std::map<uint64_t, uint64_t> function_of_location;
  std::map<uint64_t, std::pair<uint64_t, uint64_t>> mappings;
  for (const Field& f : fields) {
    if (f.number == 6) strings.emplace_back(f.bytes);
  }
  EXPECT_FALSE(strings.empty());
  EXPECT_EQ(strings[0], "");
  const auto text = [&](uint64_t i) { return strings.at(i); };
  const auto number = [](absl::string_view m, int n) {
    for (const Field& f : Fields(m)) {
      if (f.number == n) return f.value;
    }
    return uint64_t{0};
  };
  const auto type = [&](absl::string_view m) {
    return text(number(m, 1)) + "/" + text(number(m, 2));
  };
  Decoded out;
  for (const Field& f : fields) {
    if (f.number == 1) out.types.push_back(type(f.bytes));
    if (f.number == 11) out.period_type = type(f.bytes);
    if (f.number == 3) {
      mappings[number(f.bytes, 1)] = {number(f.bytes, 2), number(f.bytes, 3)};
    }
    if (f.number == 5) functions[number(f.bytes, 1)] = text(number(f.bytes, 2));
  }
  for (const Field& f : fields) {
    if (f.number != 4) continue;
    uint64_t line_function = 0;
    for (const Field& g : Fields(f.bytes)) {
      if (g.number == 4) line_function = number(g.bytes, 1);
    }
    EXPECT_EQ(functions.count(line_function), 1u);
    function_of_location[number(f.bytes, 1)] = line_function;
    const auto range = mappings.at(number(f.bytes, 2));
    EXPECT_LE(range.first, number(f.bytes, 3));
    EXPECT_LT(number(f.bytes, 3), range.second);
  }
  for (const Field& f : fields) {
    if (f.number != 2) continue;
    DecodedSample s;
    for (const Field& g : Fields(f.bytes)) {
      if (g.number == 1) {
        for (uint64_t id : Packed(g.bytes)) {
          s.functions.push_back(functions.at(function_of_location.at(id)));
        }
      } else if (g.number == 2) {
        for (uint64_t v : Packed(g.bytes)) {
          s.values.push_back(static_cast<int64_t>(v));
        }
      } else if (g.number == 3) {
        s.labels[text(number(g.bytes, 1))] = text(number(g.bytes, 2));
      }
    }
    EXPECT_EQ(s.values.size(), out.types.size());
    EXPECT_FALSE(s.functions.empty());
    out.samples.push_back(s);
  }
  return out;
}

Decoded Take(const std::string& name) {
  const auto profile = Profile(name);
  EXPECT_TRUE(profile.ok()) << profile.status();
  return Decode(*profile);
}

// --- The tests -----------------------------------------------------------------

TEST(PprofTest, ThereAreThreeProfilesAndNoOthers) {
  EXPECT_THAT(ProfileNames(),
              ::testing::ElementsAre("block", "goroutine", "mutex"));
  for (const std::string& name : ProfileNames()) {
    EXPECT_TRUE(Profile(name).ok());
  }
  EXPECT_EQ(Profile("heap").status().code(), absl::StatusCode::kNotFound);
}

TEST(PprofTest, WriteProfileNamesTheFileThatItCannotWrite) {
  const absl::Status status =
      WriteProfile("goroutine", "/nonexistent/goroutine.pb.gz");
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("/nonexistent/goroutine.pb.gz"));
  EXPECT_EQ(WriteProfile("heap", "x").code(), absl::StatusCode::kNotFound);
}

TEST(PprofTest, AFullDiskIsAnErrorAndTheDeviceStays) {
  if (access("/dev/full", W_OK) != 0) GTEST_SKIP() << "no /dev/full";
  std::string dir = absl::StrCat(::testing::TempDir(), "/pprof_test_XXXXXX");
  ASSERT_NE(mkdtemp(&dir[0]), nullptr);
  const std::string link = dir + "/full";
  ASSERT_EQ(symlink("/dev/full", link.c_str()), 0);
  EXPECT_EQ(WriteProfile("goroutine", link).code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_NE(access(link.c_str(), F_OK), 0);  // removed
  EXPECT_EQ(access("/dev/full", F_OK), 0);
}

TEST(PprofTest, GoroutinesWithTheSameStackAndLabelsAreOneSample) {
  Runtime runtime(Procs(2));
  auto c = MakeChan<int>();
  runtime.Run([&] {
    for (int i = 0; i < 3; ++i) Go([c] { WaitAsOneOfMany(c); });
    Do(Labels({{"user", "ann"}}), [&] { Go([c] { WaitAsOneOfMany(c); }); });
  });
  Decoded p;
  EXPECT_TRUE(Eventually([&] {
    p = Take("goroutine");
    return p.Of("WaitAsOneOfMany")[0] == 4;
  }));
  EXPECT_EQ(p.samples.size(), 2u);
  EXPECT_THAT(p.types, ::testing::ElementsAre("goroutine/count"));
  EXPECT_EQ(p.period_type, "goroutine/count");
  EXPECT_EQ(p.Of("WaitAsOneOfMany")[0], 4);
  for (const DecodedSample& s : p.samples) {
    EXPECT_EQ(s.values[0], s.labels.empty() ? 3 : 1);
    for (const auto& label : s.labels) EXPECT_EQ(label.second, "ann");
    for (const std::string& f : s.functions) {
      EXPECT_FALSE(absl::StartsWith(f, "mpg::internal::")) << f;
    }
  }
  c.Close();
  runtime.Wait();
}

TEST(PprofTest, BlockingIsNotedOnlyWhileTheRateIsSet) {
  const auto block = [] {
    RunWith(InTurns(), [] {
      auto c = MakeChan<int>();
      Go([c] { c.Send(0); });
      BlockInChannel(c);
    });
  };
  block();
  EXPECT_EQ(Take("block").Of("BlockInChannel")[0], 0);
  SetBlockProfileRate(1);
  block();
  SetBlockProfileRate(-1);
  block();
  EXPECT_EQ(Take("block").Of("BlockInChannel")[0], 1);
}

TEST(PprofTest, BlockingIsNotedWhereAndForHowLong) {
  SetBlockProfileRate(1);
  RunWith(InTurns(), [] {
    auto c = MakeChan<int>();
    WaitGroup wg;
    Mutex mu;
    mu.Lock();
    wg.Add(1);
    auto done = MakeChan<int>(3);
    Go([&] {
      BlockInSelect(c);
      done.Send(0);
    });
    Go([&] {
      BlockInWaitGroup(&wg);
      done.Send(0);
    });
    Go([&] {
      BlockInMutex(&mu);
      done.Send(0);
    });
    for (int i = 0; i < 3; ++i) Gosched();
    BlockInSleep();  // all three are blocked for its 3 ms
    c.Close();
    wg.Done();
    mu.Unlock();
    for (int i = 0; i < 3; ++i) done.Recv();
  });
  SetBlockProfileRate(0);
  const Decoded p = Take("block");
  EXPECT_THAT(p.types,
              ::testing::ElementsAre("contentions/count", "delay/nanoseconds"));
  for (const char* f : {"BlockInSelect", "BlockInWaitGroup", "BlockInMutex"}) {
    EXPECT_EQ(p.Of(f)[0], 1) << f;
    EXPECT_GE(p.Of(f)[1], 1'000'000) << f;
    EXPECT_LT(p.Of(f)[1], 60'000'000'000) << f;
  }
  EXPECT_EQ(p.Of("BlockInSleep")[0], 0);
}

TEST(PprofTest, ShortBlockingIsSampledAndStandsForTheRest) {
  const int64_t before = Take("block").Of("WaitAsOneOfMany")[1];
  // Most events are much shorter, so few are noted, each with the full 0.1 ms.
  SetBlockProfileRate(100'000);
  RunWith(InTurns(), [] {
    for (int i = 0; i < internal::Scaled(20'000); ++i) {
      auto c = MakeChan<int>();
      Go([c] { c.Send(0); });
      WaitAsOneOfMany(c);
    }
  });
  SetBlockProfileRate(0);
  const Decoded p = Take("block");
  int64_t ns = p.Of("WaitAsOneOfMany")[1] - before;
  EXPECT_GT(ns, 0);
  // At a rate of 1 there would be a sum of about 20,000 times 100 ns.
  EXPECT_LT(ns, 20'000'000'000);
}

TEST(PprofTest, WhoLetsGoOfALockAnswersForTheWait) {
  EXPECT_EQ(SetMutexProfileFraction(1), 0);
  EXPECT_EQ(SetMutexProfileFraction(-1), 1);
  RunWith(InTurns(), [] {
    Mutex mu;
    RWMutex rw;
    auto done = MakeChan<int>(3);
    mu.Lock();
    rw.Lock();
    for (int i = 0; i < 2; ++i) {
      Go([&] {
        BlockInMutex(&mu);
        done.Send(0);
      });
    }
    Go([&] {
      rw.RLock();
      rw.RUnlock();
      done.Send(0);
    });
    for (int i = 0; i < 3; ++i) Gosched();
    BlockInSleep();
    LetGoOfMutex(&mu);
    LetGoOfRWMutex(&rw);
    for (int i = 0; i < 3; ++i) done.Recv();
    BlockInMutex(&mu);  // nobody waits: nothing to note
  });
  EXPECT_EQ(SetMutexProfileFraction(0), 1);
  const Decoded p = Take("mutex");
  EXPECT_EQ(p.Of("LetGoOfMutex")[0], 1);
  EXPECT_GE(p.Of("LetGoOfMutex")[1], 1'000'000);
  // The first of the two that had waited let the second one in.
  EXPECT_EQ(p.Of("BlockInMutex")[0], 1);
  EXPECT_EQ(p.Of("LetGoOfRWMutex")[0], 1);
  EXPECT_GE(p.Of("LetGoOfRWMutex")[1], 1'000'000);
}

// --- The real reader -------------------------------------------------------------

TEST(PprofTest, GoToolPprofOpensThem) {
  const std::string go = FindGo();
  if (go.empty()) GTEST_SKIP() << "no go found: see MPG_GO";
  std::string dir = absl::StrCat(::testing::TempDir(), "/pprof_test_XXXXXX");
  ASSERT_NE(mkdtemp(&dir[0]), nullptr);
  // Where the tool may keep things; the test's HOME may not be writable.
  const std::string pprof = absl::StrCat("HOME=", dir, " GOCACHE=", dir,
                                         "/cache GOFLAGS= GOTOOLCHAIN=local ",
                                         go, " tool pprof -nodecount=1000 ");
  SetBlockProfileRate(1);
  SetMutexProfileFraction(1);
  Runtime runtime(InTurns());
  auto c = MakeChan<int>();
  runtime.Run([&] {
    Do(Labels({{"user", "ann"}}), [&] {
      for (int i = 0; i < 3; ++i) Go([c] { WaitAsOneOfMany(c); });
    });
    Mutex mu;
    mu.Lock();
    auto done = MakeChan<int>();
    Go([&] {
      BlockInMutex(&mu);
      done.Send(0);
    });
    BlockInSleep();
    LetGoOfMutex(&mu);
    BlockInChannel(done);
    ASSERT_TRUE(WriteProfile("goroutine", dir + "/goroutine").ok());
  });
  SetBlockProfileRate(0);
  SetMutexProfileFraction(0);
  ASSERT_TRUE(WriteProfile("block", dir + "/block").ok());
  ASSERT_TRUE(WriteProfile("mutex", dir + "/mutex").ok());

  const std::string goroutines =
      OutputOf(absl::StrCat(pprof, "-top -cum ", dir, "/goroutine"));
  EXPECT_THAT(goroutines, HasSubstr("Type: goroutine\n"));
  EXPECT_THAT(goroutines, ContainsRegex("\n +[0-9]+ +[0-9.]+% +[0-9.]+% +3 "
                                        "+75.00%  WaitAsOneOfMany"));
  EXPECT_THAT(OutputOf(absl::StrCat(pprof, "-tags ", dir, "/goroutine")),
              ContainsRegex("user: Total 3[^\n]*\n +3[^\n]*: ann"));
  const std::string block =
      OutputOf(absl::StrCat(pprof, "-top -cum ", dir, "/block"));
  EXPECT_THAT(block, HasSubstr("Type: delay\n"));
  EXPECT_THAT(block, ContainsRegex("[0-9.]+[mun]?s +[0-9.]+%  BlockInMutex"));
  const std::string mutex = OutputOf(absl::StrCat(
      pprof, "-top -cum -sample_index=contentions ", dir, "/mutex"));
  EXPECT_THAT(mutex, HasSubstr("Type: contentions\n"));
  EXPECT_THAT(mutex, HasSubstr("  LetGoOfMutex"));
  c.Close();
  runtime.Wait();
}

}  // namespace
}  // namespace pprof
}  // namespace mpg
