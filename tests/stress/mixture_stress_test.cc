// Everything at once. Tokens lie in a bag (a channel). Workers, goroutines of a
// foreign Runtime and plain threads take one, do something random with it, and
// put it back, while the number of Ps changes and the world is stopped now and
// then. In the end every token is there, once, and has made as many hops as
// were counted.
#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <exception>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/random.h"
#include "channel/chan.h"
#include "channel/select.h"
#include "gtest/gtest.h"
#include "runtime/goroutine.h"
#include "runtime/runtime.h"
#include "tests/stress/stress_util.h"

namespace mpg {
namespace {

constexpr int kTokens = 12;
constexpr int kWorkers = 30;
constexpr int kStepsEach = 20;

struct Token {
  int id = 0;
  int64_t hops = 0;
};

struct World {
  Chan<Token> bag = MakeChan<Token>(kTokens);
  Chan<Token> swap = MakeChan<Token>();  // unbuffered
  std::atomic<int64_t> hops{0};
  std::atomic<int> errors{0};
  std::atomic<bool> over{false};

  void Hop(Token* t) {
    ++t->hops;
    ++hops;
  }
  void Expect(bool ok) { errors += !ok; }
};

void Yields(World*, Token*, FastRand* rand) {
  for (uint32_t i = rand->Below(5); i > 0; --i) Gosched();
}

// The token goes to a child and back, over unbuffered channels.
void ThroughAChild(World* w, Token* t, FastRand* rand) {
  auto there = MakeChan<Token>(), back = MakeChan<Token>();
  const bool yields = rand->Below(2) == 0;
  Go([=] {
    Token mine = *there.Recv();
    w->Hop(&mine);
    if (yields) Gosched();
    back.Send(mine);
  });
  there.Send(*t);
  *t = *back.Recv();
}

// The child gives it back from a destructor that Goexit runs, past a
// catch (...) that would like to stop it; half of them locked to a thread.
void ThroughGoexit(World* w, Token* t, FastRand* rand) {
  struct GiveBack {
    World* w;
    Chan<Token> back;
    Token token;
    ~GiveBack() {
      w->Hop(&token);
      back.Send(token);
    }
  };
  auto back = MakeChan<Token>();
  const bool locks = rand->Below(4) == 0;
  Go([w, back, locks, token = *t] {
    if (locks) LockOSThread();
    try {
      GiveBack give{w, back, token};
      if (locks) Gosched();
      Goexit();
    } catch (...) {
    }
    w->Expect(false);
  });
  *t = *back.Recv();
}

void LockedToAThread(World* w, Token* t, FastRand* rand) {
  LockOSThread();
  const pid_t home = gettid();
  for (uint32_t i = rand->Below(3); i > 0; --i) {
    Gosched();
    w->Expect(gettid() == home);
  }
  if (rand->Below(2) == 0) ThroughAChild(w, t, rand);
  w->Expect(gettid() == home);
  UnlockOSThread();
}

// Swaps tokens with whoever wants to as well.
void Swaps(World* w, Token* t, FastRand*) {
  Token got;
  bool gave = false, took = false;
  Select(OnSend(w->swap, *t, [&] { gave = true; }),
         OnRecv(w->swap,
                [&](std::optional<Token> v) {
                  got = *v;
                  took = true;
                }),
         OnDefault([] {}));
  if (gave) *t = *w->bag.Recv();  // the partner puts ours into the bag
  if (took) {
    w->bag.Send(*t);
    *t = got;
  }
}

void ThrowsAndParks(World* w, Token* t, FastRand* rand) {
  const std::string text = std::to_string(t->id);
  try {
    if (rand->Below(2) == 0) Gosched();
    throw text;
  } catch (const std::string& caught) {
    ThroughAChild(w, t, rand);
    w->Expect(caught == text);
  }
  w->Expect(std::uncaught_exceptions() == 0);
}

int Deep(int depth, FastRand* rand) {
  volatile char frame[300];
  frame[0] = 1;
  if (rand->Below(8) == 0) Gosched();
  return depth == 0 ? 0 : Deep(depth - 1, rand) + frame[0];
}

void GoesDeep(World* w, Token*, FastRand* rand) {
  const int depth = static_cast<int>(rand->Below(100));
  w->Expect(Deep(depth, rand) == depth);
}

void SpawnsABatch(World* w, Token*, FastRand* rand) {
  const int n = static_cast<int>(rand->Below(30));
  auto done = MakeChan<int>(rand->Below(4));
  for (int i = 0; i < n; ++i) Go([done, i] { done.Send(i); });
  int sum = 0;
  for (int i = 0; i < n; ++i) sum += *done.Recv();
  w->Expect(sum == n * (n - 1) / 2);
}

void StopsTheWorld(World*, Token*, FastRand* rand) {
  if (rand->Below(4) != 0) return;
  StopTheWorld("stress");
  StartTheWorld();
}

void ChangesProcs(World*, Token*, FastRand* rand) {
  if (rand->Below(4) == 0) GOMAXPROCS(1 + static_cast<int>(rand->Below(8)));
}

using Action = void (*)(World*, Token*, FastRand*);
constexpr Action kActions[] = {
    Yields,         ThroughAChild, ThroughGoexit, LockedToAThread, Swaps,
    ThrowsAndParks, GoesDeep,      SpawnsABatch,  StopsTheWorld,   ChangesProcs,
};

void Worker(World* w, FastRand rand, Chan<int> done) {
  for (int i = 0; i < kStepsEach; ++i) {
    Token t = *w->bag.Recv();
    w->Hop(&t);
    kActions[rand.Below(std::size(kActions))](w, &t, &rand);
    w->bag.Send(t);
  }
  done.Send(1);
}

// On a plain thread, or in a goroutine that only takes and puts.
void Visitor(World* w) {
  while (!w->over.load()) {
    if (auto t = w->bag.TryRecv()) {
      w->Hop(&*t);
      w->bag.Send(*t);
    }
    std::this_thread::yield();
  }
}

void CheckTokens(World* w) {
  std::vector<bool> seen(kTokens, false);
  int64_t hops = 0;
  for (int i = 0; i < kTokens; ++i) {
    auto t = w->bag.TryRecv();
    ASSERT_TRUE(t.has_value()) << "token lost";
    ASSERT_FALSE(seen[t->id]) << "token doubled";
    seen[t->id] = true;
    hops += t->hops;
  }
  EXPECT_FALSE(w->bag.TryRecv().has_value());
  EXPECT_EQ(hops, w->hops.load());
  EXPECT_EQ(w->errors.load(), 0);
}

using MixtureStressTest = stress::StressTest;

TEST_P(MixtureStressTest, TokensAreConserved) {
  World w;
  for (int i = 0; i < kTokens; ++i) w.bag.Send(Token{i, 0});
  RuntimeOptions options;
  options.max_procs = procs();
  Runtime runtime(options);
  options.max_procs = 1;
  Runtime other(options);
  std::thread visitor([&] { Visitor(&w); });
  other.Go([&] {
    while (!w.over.load()) {
      Token t = *w.bag.Recv();
      w.Hop(&t);
      w.bag.Send(t);
      Gosched();
    }
  });
  std::thread caller([&] {
    for (int i = 0; i < 20; ++i) {
      runtime.Go([&] {
        Token t = *w.bag.Recv();
        w.Hop(&t);
        w.bag.Send(t);
      });
    }
  });
  runtime.Run([&] {
    auto done = MakeChan<int>();
    for (int i = 0; i < kWorkers; ++i) Go(Worker, &w, Rand(i), done);
    for (int i = 0; i < kWorkers; ++i) done.Recv();
    w.over = true;
  });
  visitor.join();
  caller.join();
  runtime.Wait();
  other.Wait();
  CheckTokens(&w);
  EXPECT_EQ(runtime.Stats().goroutines, 0);
}

MPG_STRESS_AT_SEVERAL_PS(MixtureStressTest);

}  // namespace
}  // namespace mpg
