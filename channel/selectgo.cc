#include "channel/selectgo.h"

#include <algorithm>
#include <cstdint>
#include <functional>

#include "absl/base/attributes.h"
#include "absl/base/thread_annotations.h"
#include "base/lock.h"
#include "base/park.h"
#include "base/random.h"
#include "base/wait_reason.h"
#include "channel/elem_type.h"
#include "channel/hchan.h"

namespace mpg {
namespace internal {
namespace {

// The cases of one Select; its locks are beyond the thread-safety analysis.
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

void SortByAddress(Frame& f) {
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

void LockAll(const Frame& f) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  for (int i = 0; i < f.live; ++i) {
    if (!f.Repeats(i)) f.Ordered(i).chan->lock.Lock();
  }
}

// After the last unlock the frame may be gone if the waiter has parked. Before
// that it cannot be: a waiter that has been woken through an early channel
// wants the last channel's lock (step 5), or was woken through that.
void UnlockAll(const Frame& f) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  const int live = f.live;
  HChan* held = nullptr;
  for (int i = 0; i < live; ++i) {
    HChan* const c = f.Ordered(i).chan;
    if (held != nullptr && held != c) held->lock.Unlock();
    held = c;
  }
  if (held != nullptr) held->lock.Unlock();
}

bool MayBeReady(const Sudog& sg) {
  if (sg.chan == nullptr) return false;
  return sg.is_send ? !sg.chan->SendWouldBlock() : !sg.chan->RecvWouldBlock();
}

// An attempt at one case, with its channel's lock held.
Step Attempt(Sudog& sg, Waiter** wake) {
  const ElemType* const elem = sg.chan->elem;
  return sg.is_send ? elem->send_locked(sg.chan, sg.elem, wake)
                    : elem->recv_locked(sg.chan, sg.elem, wake);
}

// Runs what `unlock` says and then readies *wake, however the scope ends.
template <class F>
class AtScopeEnd {
 public:
  AtScopeEnd(F unlock, Waiter** wake) : unlock_(unlock), wake_(wake) {}
  ~AtScopeEnd() {
    unlock_();
    if (*wake_ != nullptr) Ready(*wake_);
  }
  AtScopeEnd(const AtScopeEnd&) = delete;
  AtScopeEnd& operator=(const AtScopeEnd&) = delete;

 private:
  const F unlock_;
  Waiter** const wake_;
};

int RandomBelow(int n) {
  // Lemire's multiplication, as FastRand::Below.
  return n == 1 ? 0 : static_cast<int>((uint64_t{ThreadRand()} * n) >> 32);
}

constexpr SelectResult kNothingReady = {-1, false};

void Unlock(HChan* c) ABSL_NO_THREAD_SAFETY_ANALYSIS { c->lock.Unlock(); }

// Step 1.
SelectResult TryUnlocked(const Frame& f) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  int* const ready = f.order;  // not yet needed for the order
  int count = 0;
  for (int i = 0; i < f.n; ++i) {
    if (MayBeReady(f.cases[i])) ready[count++] = i;
  }
  while (count > 0) {
    const int pick = RandomBelow(count);
    Sudog& sg = f.cases[ready[pick]];
    Waiter* wake = nullptr;
    Step step;
    {
      sg.chan->lock.Lock();
      AtScopeEnd end([&sg] { Unlock(sg.chan); }, &wake);
      step = Attempt(sg, &wake);
    }
    if (step != Step::kWouldBlock) return {ready[pick], step == Step::kDone};
    ready[pick] = ready[--count];
  }
  return kNothingReady;
}

// Step 2, under the locks. A case that looks ready may turn out not to be, if
// only Selects that are won elsewhere stand in the queue it looked at. They are
// gone from there afterwards, so that it no longer looks ready.
SelectResult TryLocked(const Frame& f, Waiter** wake) {
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

bool CommitSelect(Waiter*, void* arg) {
  UnlockAll(*static_cast<const Frame*>(arg));
  return true;
}

// Takes all Sudogs but the winner's off their queues.
void DequeueLosers(const Frame& f, const Sudog* winner) {
  for (int i = 0; i < f.live; ++i) {
    Sudog* const sg = &f.Ordered(i);
    if (sg != winner) RemoveSudog(sg->chan, sg);
  }
}

bool AbandonSelect(Waiter*, void* arg) {
  const Frame& f = *static_cast<const Frame*>(arg);
  if (f.live == 0) return true;  // nil channels only
  // Winning makes every waker pass over this waiter from now on.
  if (!WaitQueue::Win(&f.Ordered(0))) {
    DequeueLosers(f, nullptr);
    return false;
  }
  for (int i = 0; i < f.live; ++i) {
    Sudog* const sg = &f.Ordered(i);
    Abandon(sg->chan, sg);
  }
  return true;
}

constexpr ParkSite kSelectSite = {WaitReason::kSelect, CommitSelect,
                                  AbandonSelect};

// Steps 3 to 5, from under the locks. Returns the Sudog that won.
ABSL_ATTRIBUTE_NOINLINE Sudog* ParkInAll(Frame& f, Waiter* w) {
  for (int i = 0; i < f.live; ++i) {
    Sudog* const sg = &f.Ordered(i);
    sg->waiter = w;
    sg->is_select = true;
    sg->chan->select_seen = true;
    (sg->is_send ? sg->chan->sendq : sg->chan->recvq).Enqueue(sg);
  }
  Park(w, &kSelectSite, nullptr, &f);
  auto* const winner = static_cast<Sudog*>(w->param);
  DequeueLosers(f, winner);
  // relaxed: nobody else can reach the flag until the next Select publishes its
  // Sudogs under a lock.
  w->select_done.store(0, std::memory_order_relaxed);
  return winner;
}

}  // namespace

SelectResult SelectGo(Sudog* cases, int* order, int n, bool block) {
  if (n == 0 && block) BlockForever(WaitReason::kSelectNoCases);
  Waiter* const w = CurrentWaiter();
  Frame f{cases, order, n};
  for (;;) {
    SelectResult result = TryUnlocked(f);
    if (result.index < 0) {
      SortByAddress(f);
      Waiter* wake = nullptr;
      bool park = false;
      LockAll(f);
      {
        AtScopeEnd end(
            [&] {
              if (!park) UnlockAll(f);
            },
            &wake);
        result = TryLocked(f, &wake);
        park = result.index < 0 && block;
      }
      if (park) {
        const Sudog* const winner = ParkInAll(f, w);
        if (winner->outcome == Outcome::kRetry) continue;
        return {static_cast<int>(winner - cases),
                winner->outcome == Outcome::kDone};
      }
    }
    PreemptPoint(w);
    return result;
  }
}

}  // namespace internal
}  // namespace mpg
