#include "base/note.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <limits>
#include <thread>

#include "base/clock.h"
#include "gtest/gtest.h"

namespace mpg {
namespace {

constexpr int64_t kMs = 1'000'000;

TEST(Note, WakeupBeforeSleepIsNotLost) {
  Note note;
  note.Wakeup();
  EXPECT_TRUE(note.IsSignaled());
  note.Sleep();
  EXPECT_TRUE(note.SleepFor(-1));
  EXPECT_TRUE(note.SleepFor(0));
}

TEST(Note, SleepBlocksUntilWakeup) {
  Note note;
  int value = 0;
  std::thread sleeper([&] {
    note.Sleep();
    EXPECT_EQ(value, 42);
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
  EXPECT_FALSE(note.IsSignaled());
  value = 42;
  note.Wakeup();
  sleeper.join();
}

TEST(Note, SleepForReturnsFalseWhenTheTimeIsOver) {
  Note note;
  const int64_t start = NanoTime();
  EXPECT_FALSE(note.SleepFor(5 * kMs));
  EXPECT_GE(NanoTime() - start, 5 * kMs);
  EXPECT_FALSE(note.IsSignaled());
  EXPECT_FALSE(note.SleepFor(0));
}

TEST(Note, CanBeUsedAgainAfterATimeout) {
  Note note;
  EXPECT_FALSE(note.SleepFor(kMs));
  note.Wakeup();
  EXPECT_TRUE(note.SleepFor(1000 * kMs));
  note.Clear();
  EXPECT_FALSE(note.SleepFor(kMs));
}

TEST(Note, SleepForEndsWithTheWakeup) {
  Note note;
  std::thread waker([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    note.Wakeup();
  });
  const int64_t start = NanoTime();
  EXPECT_TRUE(note.SleepFor(100'000 * kMs));
  EXPECT_LT(NanoTime() - start, 50'000 * kMs);
  waker.join();
}

TEST(Note, WakeupIfClearMayComeTwice) {
  Note note;
  note.WakeupIfClear();
  note.WakeupIfClear();
  note.Sleep();
  note.Clear();
  EXPECT_FALSE(note.IsSignaled());
  note.WakeupIfClear();
  EXPECT_TRUE(note.IsSignaled());
}

// Wakeup and the end of the time meet; either way the note tells the truth.
TEST(Note, TimeoutAndWakeupRace) {
  int timeouts = 0;
  constexpr int kRounds = 300;
  for (int i = 0; i < kRounds; ++i) {
    Note note;
    std::atomic<bool> go{false};
    std::thread waker([&] {
      while (!go) {
      }
      for (const int64_t end = NanoTime() + i * 300; NanoTime() < end;) {
      }
      note.Wakeup();
    });
    go = true;
    if (!note.SleepFor(kRounds * 150)) {
      ++timeouts;
      note.Sleep();  // the wake-up is still to come, and is not lost
    }
    EXPECT_TRUE(note.IsSignaled());
    waker.join();
  }
  EXPECT_LE(timeouts, kRounds);
}

TEST(Note, PingPongLosesNothing) {
  Note ping, pong;
  int turns = 0;
  constexpr int kRounds = 2000;
  std::thread other([&] {
    for (int i = 0; i < kRounds; ++i) {
      ping.Sleep();
      ping.Clear();
      ++turns;
      pong.Wakeup();
    }
  });
  for (int i = 0; i < kRounds; ++i) {
    ping.Wakeup();
    pong.Sleep();
    pong.Clear();
    EXPECT_EQ(turns, i + 1);
  }
  other.join();
}

// The sleeper may end the note's life at once: for the sanitizers.
TEST(Note, TheSleeperMayDestroyIt) {
  for (int i = 0; i < 2000; ++i) {
    auto* const note = new Note;
    std::thread waker([note] { note->Wakeup(); });
    note->Sleep();
    delete note;
    waker.join();
  }
}

TEST(NoteDeathTest, TwoWakeupsWithoutAClear) {
  EXPECT_EXIT(
      {
        Note note;
        note.Wakeup();
        note.Wakeup();
      },
      testing::ExitedWithCode(2), "fatal error: notewakeup - double wakeup");
}

TEST(NoteDeathTest, TwoSleepers) {
  EXPECT_EXIT(
      {
        Note note;
        std::thread([&] { note.Sleep(); }).detach();
        for (;;) {
          // One of the two finds the other.
          note.SleepFor(kMs);
        }
      },
      testing::ExitedWithCode(2), "fatal error: two threads sleep on one note");
}

TEST(NoteTest, SleepForTheLongestTimeIsForEver) {
  Note note;
  std::thread waker([&note] { note.Wakeup(); });
  EXPECT_TRUE(note.SleepFor(std::numeric_limits<int64_t>::max()));
  waker.join();
}

}  // namespace
}  // namespace mpg
