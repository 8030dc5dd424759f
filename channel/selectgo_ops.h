// How SelectGo is done. Included by selectgo.cc, which compiles it once for
// all, and by the model test, which compiles it anew.
#ifndef MPG_CHANNEL_SELECTGO_OPS_H_
#define MPG_CHANNEL_SELECTGO_OPS_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>

#include "absl/base/attributes.h"
#include "absl/base/thread_annotations.h"
#include "base/wait_reason.h"
#include "channel/elem_type.h"
#include "channel/hchan.h"
#include "channel/selectgo.h"
#include "channel/sudog.h"

namespace mpg {
namespace internal {

// The steps of the protocol in selectgo.h. Which locks are held is known only
// at run time, beyond the thread-safety analysis.
template <class Env>
struct SelectSteps {
  using HChan = BasicHChan<Env>;
  using Sudog = BasicSudog<Env>;
  using Waiter = typename Env::Waiter;

  // The cases of one Select.
  struct Frame {
    Sudog* const cases;
    int* const order;  // of the cases with a channel, sorted by its address
    const int n;
    int live = 0;  // length of `order`

    Sudog& Ordered(int i) const { return cases[order[i]]; }
    // The i-th case in lock order has the same channel as the one before it.
    bool Repeats(int i) const {
      return i > 0 && Ordered(i).chan == Ordered(i - 1).chan;
    }
  };

  static void SortByAddress(Frame& f) {
    f.live = 0;
    for (int i = 0; i < f.n; ++i) {
      if (f.cases[i].chan != nullptr) f.order[f.live++] = i;
    }
    const auto before = [&f](int a, int b) {
      return std::less<HChan*>()(f.cases[a].chan, f.cases[b].chan);
    };
    if (f.live > 16) {  // untuned
      std::sort(f.order, f.order + f.live, before);
      return;
    }
    for (int i = 1; i < f.live; ++i) {
      const int moving = f.order[i];
      int j = i;
      for (; j > 0 && before(moving, f.order[j - 1]); --j) {
        f.order[j] = f.order[j - 1];
      }
      f.order[j] = moving;
    }
  }

  static void LockAll(const Frame& f) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    for (int i = 0; i < f.live; ++i) {
      if (!f.Repeats(i)) f.Ordered(i).chan->lock.Lock();
    }
  }

  // After the last unlock the frame may be gone if the waiter has parked.
  // Before that it cannot be: a waiter that has been woken through an early
  // channel wants the last channel's lock (step 5), or was woken through that.
  static void UnlockAll(const Frame& f) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    const int live = f.live;
    HChan* held = nullptr;
    for (int i = 0; i < live; ++i) {
      HChan* const c = f.Ordered(i).chan;
      if (held != nullptr && held != c) held->lock.Unlock();
      held = c;
    }
    if (held != nullptr) held->lock.Unlock();
  }

  static bool MayBeReady(const Sudog& sg) {
    if (sg.chan == nullptr) return false;
    return sg.is_send ? !sg.chan->SendWouldBlock() : !sg.chan->RecvWouldBlock();
  }

  // An attempt at one case, with its channel's lock held.
  static Step Attempt(Sudog& sg, Waiter** wake) {
    const BasicElemType<Env>* const elem = sg.chan->elem;
    return sg.is_send ? elem->send_locked(sg.chan, sg.elem, wake)
                      : elem->recv_locked(sg.chan, sg.elem, wake);
  }

  // Holds one channel's lock or all of a Select's, and at the end of the scope,
  // however it ends, unlocks and then readies `wake`.
  class Held {
   public:
    explicit Held(HChan* c) ABSL_NO_THREAD_SAFETY_ANALYSIS : one_(c) {
      c->lock.Lock();
    }
    explicit Held(const Frame& f) : all_(&f) { LockAll(f); }
    ~Held() ABSL_NO_THREAD_SAFETY_ANALYSIS {
      if (one_ != nullptr) one_->lock.Unlock();
      if (all_ != nullptr) UnlockAll(*all_);
      if (wake != nullptr) Env::Ready(wake);
    }
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;

    // Leaves the locks to somebody else.
    void Keep() { all_ = nullptr; }

    Waiter* wake = nullptr;

   private:
    HChan* const one_ = nullptr;
    const Frame* all_ = nullptr;
  };

  static int RandomBelow(int n) {
    // Lemire's multiplication, as FastRand::Below.
    return n == 1 ? 0 : static_cast<int>((uint64_t{Env::Random()} * n) >> 32);
  }

  static constexpr SelectResult kNothingReady = {-1, false};

  // Step 1.
  static SelectResult TryUnlocked(const Frame& f) {
    int* const ready = f.order;  // not yet needed for the order
    int count = 0;
    for (int i = 0; i < f.n; ++i) {
      if (MayBeReady(f.cases[i])) ready[count++] = i;
    }
    while (count > 0) {
      const int pick = RandomBelow(count);
      Sudog& sg = f.cases[ready[pick]];
      Step step;
      {
        Held held(sg.chan);
        step = Attempt(sg, &held.wake);
      }
      if (step != Step::kWouldBlock) return {ready[pick], step == Step::kDone};
      ready[pick] = ready[--count];
    }
    return kNothingReady;
  }

  // Step 2, under the locks. A case that looks ready may turn out not to be, if
  // only Selects that are won elsewhere stand in the queue it looked at. They
  // are gone from there afterwards, so that it no longer looks ready.
  static SelectResult TryLocked(const Frame& f, Waiter** wake) {
    for (;;) {
      int count = 0;
      for (int i = 0; i < f.n; ++i) count += MayBeReady(f.cases[i]);
      if (count == 0) return kNothingReady;
      int skip = RandomBelow(count);
      int i = 0;
      while (!MayBeReady(f.cases[i]) || skip-- > 0) ++i;
      const Step step = Attempt(f.cases[i], wake);
      if (step != Step::kWouldBlock) return {i, step == Step::kDone};
    }
  }

  static bool CommitSelect(Waiter*, void* arg) {
    UnlockAll(*static_cast<const Frame*>(arg));
    return true;
  }

  // Takes all Sudogs but the winner's off their queues.
  static void DequeueLosers(const Frame& f, const Sudog* winner) {
    for (int i = 0; i < f.live; ++i) {
      Sudog* const sg = &f.Ordered(i);
      if (sg != winner) RemoveSudog(sg->chan, sg);
    }
  }

  static bool AbandonSelect(Waiter*, void* arg) {
    const Frame& f = *static_cast<const Frame*>(arg);
    if (f.live == 0) return true;  // nil channels only
    // Winning makes every waker pass over this waiter from now on.
    if (!BasicWaitQueue<Env>::Win(&f.Ordered(0))) {
      DequeueLosers(f, nullptr);
      return false;
    }
    for (int i = 0; i < f.live; ++i) {
      Sudog* const sg = &f.Ordered(i);
      Abandon(sg->chan, sg);
    }
    return true;
  }

  // Somebody has won it, and it will not run to dequeue the others. The winner's
  // channel may be gone by now.
  static void ForgetSelect(Waiter* w, void* arg) {
    DequeueLosers(*static_cast<const Frame*>(arg),
                  static_cast<const Sudog*>(w->param));
  }

  // Steps 3 to 5, from under the locks. Returns the Sudog that won.
  ABSL_ATTRIBUTE_NOINLINE static Sudog* ParkInAll(Frame& f, Waiter* w) {
    for (int i = 0; i < f.live; ++i) {
      Sudog* const sg = &f.Ordered(i);
      sg->waiter = w;
      sg->is_select = true;
      sg->chan->select_seen = true;
      (sg->is_send ? sg->chan->sendq : sg->chan->recvq).Enqueue(sg);
    }
    static constexpr typename Env::ParkSite kSelectSite = {
        WaitReason::kSelect, &CommitSelect, &AbandonSelect, &ForgetSelect};
    Env::Park(w, &kSelectSite, nullptr, &f);
    auto* const winner = static_cast<Sudog*>(w->param);
    DequeueLosers(f, winner);
    // relaxed: nobody else can reach the flag until the next Select publishes
    // its Sudogs under a lock.
    w->select_done.store(0, std::memory_order_relaxed);
    return winner;
  }
};

template <class Env>
SelectResult SelectGo(BasicSudog<Env>* cases, int* order, int n, bool block) {
  using Steps = SelectSteps<Env>;
  if (n == 0 && block) BlockForever(WaitReason::kSelectNoCases);
  auto* const w = Env::Current();
  typename Steps::Frame f{cases, order, n};
  for (;;) {
    SelectResult result = Steps::TryUnlocked(f);
    if (result.index < 0) {
      Steps::SortByAddress(f);
      bool park = false;
      {
        typename Steps::Held held(f);
        result = Steps::TryLocked(f, &held.wake);
        park = result.index < 0 && block;
        if (park) held.Keep();
      }
      if (park) {
        const auto* const winner = Steps::ParkInAll(f, w);
        if (winner->outcome == Outcome::kRetry) continue;
        return {static_cast<int>(winner - cases),
                winner->outcome == Outcome::kDone};
      }
    }
    Env::PreemptPoint(w);
    return result;
  }
}

}  // namespace internal
}  // namespace mpg

#endif  // MPG_CHANNEL_SELECTGO_OPS_H_
