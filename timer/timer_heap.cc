#include "timer/timer_heap.h"

#include <algorithm>
#include <utility>

#include "absl/base/optimization.h"

// A timer's word. Its changes are compare-and-swaps, all seq_cst: together with
// entry_when they make a store-load pair, see Reset and Settle.
//
//   bits 3..  when it is to fire; 0: it is not pending
//   kHeaped   a heap has, or is about to have, an entry for it and counts as one
//             reference. Set by the Reset that inserts it; cleared by who drops
//             the entry, under the heap's lock, and only while not pending.
//   kInserting  kHeaped is set but the entry is not made yet: `heap` and
//             entry_when are not valid. Who changes the time now leaves it at
//             that; the inserter looks again.
//   kFiring   a firing has been claimed and may be called off (revocable ops).

namespace mpg {
namespace {

constexpr uint64_t kHeaped = 1;
constexpr uint64_t kInserting = 2;
constexpr uint64_t kFiring = 4;
constexpr int kFlagBits = 3;

constexpr int kArity = 4;
// Claimed in one hold of the lock.
constexpr int kDueBatch = 16;
// Below this many, entries of stopped timers are not worth a sweep.
constexpr size_t kMinSweep = 64;
// A vector at least this large gives memory back when an eighth of it is used.
constexpr size_t kMinShrink = 4096;

int64_t WhenOf(uint64_t word) {
  return static_cast<int64_t>(word >> kFlagBits);
}

uint64_t WordOf(int64_t when, uint64_t flags) {
  return static_cast<uint64_t>(when) << kFlagBits | flags;
}

}  // namespace

bool TimerNode::TakeFiring() {
  return (word.fetch_and(~kFiring) & kFiring) != 0;
}

bool TimerNode::Pending() const {
  const uint64_t w = word.load();
  return WhenOf(w) != 0 || (w & kFiring) != 0;
}

void TimerHeap::SetHost(TimerHost* host) {
  RuntimeLockGuard guard(mu_);
  host_ = host;
}

bool TimerHeap::Stop(TimerNode* t) {
  uint64_t w = t->word.load();
  do {
    if (WhenOf(w) == 0 && (w & kFiring) == 0) return false;
  } while (!t->word.compare_exchange_weak(w, w & (kHeaped | kInserting)));
  if (WhenOf(w) != 0 && (w & kInserting) == 0) {
    // relaxed: a figure. The heap may have dropped the entry meanwhile.
    t->heap.load(std::memory_order_relaxed)
        ->stops_.fetch_add(1, std::memory_order_relaxed);
  }
  return true;
}

bool TimerHeap::Reset(TimerNode* t, int64_t when, bool* earliest) {
  when = std::clamp<int64_t>(when, 1, kMaxWhen);
  const bool counted = t->ops->destroy != nullptr;
  if (earliest != nullptr) *earliest = false;
  uint64_t w = t->word.load();
  for (;;) {
    const uint64_t flags = w & (kHeaped | kInserting);
    if (flags != 0) {
      if (t->word.compare_exchange_weak(w, WordOf(when, flags))) break;
      continue;
    }
    // The heap's reference, before anybody can drop it.
    if (counted) t->Ref();
    if (t->word.compare_exchange_strong(w,
                                        WordOf(when, kHeaped | kInserting))) {
      const bool first = Insert(t, when);
      if (earliest != nullptr) *earliest = first;
      return (w & kFiring) != 0;
    }
    if (counted) t->Unref();
  }
  if ((w & kInserting) == 0) {
    if (WhenOf(w) == 0) {
      // relaxed: a figure.
      t->heap.load(std::memory_order_relaxed)
          ->stops_.fetch_sub(1, std::memory_order_relaxed);
    }
    // seq_cst: after the change of `word`, see Settle.
    if (when < t->entry_when.load()) PushEarlier(t, when);
  }
  return WhenOf(w) != 0 || (w & kFiring) != 0;
}

// Makes the entry of a timer that the caller has marked kInserting. Returns
// whether it is the earliest.
bool TimerHeap::Insert(TimerNode* t, int64_t when) {
  Locked locked(this);
  TrimLocked();
  try {
    Reserve();
  } catch (...) {
    t->word.store(0);
    if (t->ops->destroy != nullptr) t->Unref();
    throw;
  }
  // relaxed, and entry_when too: nobody looks at them before the release that
  // takes kInserting away.
  t->heap.store(this, std::memory_order_relaxed);
  uint64_t w = t->word.load();
  do {
    // Others may have changed the time, and will from now on see entry_when.
    if (WhenOf(w) != 0) when = WhenOf(w);
    t->entry_when.store(when, std::memory_order_relaxed);
  } while (!t->word.compare_exchange_weak(w, w & ~kInserting));
  // relaxed: a figure.
  if (WhenOf(w) == 0) stops_.fetch_add(1, std::memory_order_relaxed);
  Push({when, t});
  const bool first = entries_[0].t == t;
  Publish();
  return first;
}

bool TimerHeap::Start(TimerNode* t, int64_t when) {
  when = std::clamp<int64_t>(when, 1, kMaxWhen);
  Locked locked(this);
  TrimLocked();
  Reserve();
  // relaxed: nobody knows t yet; who finds it in the heap has locked mu_, and
  // who is told of it is told later.
  if (t->ops->destroy != nullptr) {
    t->refs.store(t->refs.load(std::memory_order_relaxed) + 1,
                  std::memory_order_relaxed);
  }
  t->heap.store(this, std::memory_order_relaxed);
  t->entry_when.store(when, std::memory_order_relaxed);
  t->word.store(WordOf(when, kHeaped), std::memory_order_relaxed);
  Push({when, t});
  Publish();
  return entries_[0].t == t;
}

// t's entry says too late a time: adds one that does not.
void TimerHeap::PushEarlier(TimerNode* t, int64_t when) {
  for (;;) {
    TimerHeap* const heap = t->heap.load();
    TimerHost* host = nullptr;
    {
      RuntimeLockGuard guard(heap->mu_);
      // In this order: a timer that shows an entry in its word, and then this
      // heap, has it here, and loses it only under the lock that we hold.
      const uint64_t w = t->word.load();
      if (t->heap.load() != heap) continue;  // has just been moved
      // Dropped, or seen to by its owner, meanwhile. If it was inserted anew,
      // who did that has seen the time.
      if ((w & kHeaped) == 0 || (w & kInserting) != 0 ||
          t->entry_when.load() <= when) {
        return;
      }
      heap->Reserve();
      if (t->ops->destroy != nullptr) t->Ref();
      t->entry_when.store(when);
      heap->Push({when, t});
      heap->Publish();
      // relaxed: a figure. The other entry is void.
      heap->stops_.fetch_add(1, std::memory_order_relaxed);
      host = heap->entries_[0].t == t ? heap->host_ : nullptr;
      if (host != nullptr) host->Hold();
    }
    if (host != nullptr) host->Earlier(when);
    return;
  }
}

// Makes t's entry_when what its word says, and returns in *word what that is. A
// Reset to an earlier time that comes after the last look sees entry_when and
// pushes an entry of its own: its store of the word and its load of entry_when
// are to our store and load as the two sides of Dekker's algorithm.
void TimerHeap::Settle(TimerNode* t, uint64_t* word) {
  for (;;) {
    const int64_t when = WhenOf(*word);
    if (when == 0) return;
    t->entry_when.store(when);
    *word = t->word.load();
    if (WhenOf(*word) >= when) return;
  }
}

// e is the entry that stands for its timer, not one that was superseded.
bool TimerHeap::Valid(const Entry& e) const {
  // The word first: see PushEarlier.
  const uint64_t w = e.t->word.load();
  return (w & (kHeaped | kInserting)) == kHeaped && e.t->heap.load() == this &&
         e.t->entry_when.load() == e.when;
}

// Gives e up if nothing depends on it; the caller removes it from entries_.
bool TimerHeap::TryDrop(const Entry& e) {
  TimerNode* const t = e.t;
  // Without references there are no superseded entries and no Stop, and t may
  // be gone once it has been claimed, but then its entry is gone too.
  if (t->ops->destroy == nullptr) return false;
  if (Valid(e)) {
    uint64_t w = t->word.load();
    do {
      if (WhenOf(w) != 0) return false;
    } while (!t->word.compare_exchange_weak(w, w & ~kHeaped));
  }
  // relaxed: a figure, written under mu_.
  seen_stops_.store(seen_stops_.load(std::memory_order_relaxed) + 1,
                    std::memory_order_relaxed);
  if (t->UnrefIsLast()) {
    // Nobody else has it, so its word is ours to use.
    t->word.store(reinterpret_cast<uintptr_t>(dead_));
    dead_ = t;
  }
  return true;
}

TimerHeap::Locked::~Locked() ABSL_NO_THREAD_SAFETY_ANALYSIS {
  TimerNode* dead = std::exchange(heap_->dead_, nullptr);
  heap_->mu_.Unlock();
  while (dead != nullptr) {
    TimerNode* const t = dead;
    dead = reinterpret_cast<TimerNode*>(static_cast<uintptr_t>(t->word.load()));
    t->ops->destroy(t);
  }
}

// Drops what has come to the top or stands at the end: the last timer started
// is often the next one stopped, and then costs nothing more. Sweeps when a
// quarter of the entries are void.
void TimerHeap::TrimLocked() {
  while (!entries_.empty() && TryDrop(entries_.back())) entries_.pop_back();
  while (!entries_.empty() && TryDrop(entries_[0])) PopTop();
  const size_t stopped = Stopped();
  if (stopped > kMinSweep && stopped > entries_.size() / 4) CompactLocked();
}

void TimerHeap::CompactLocked() {
  entries_.erase(
      std::remove_if(entries_.begin(), entries_.end(),
                     [this](const Entry& e)
                         ABSL_NO_THREAD_SAFETY_ANALYSIS { return TryDrop(e); }),
      entries_.end());
  ForgetStops();
  Heapify();
  Publish();
}

void TimerHeap::Compact() {
  Locked locked(this);
  CompactLocked();
}

// Looks at the top entry, which is due. True: a firing was claimed.
bool TimerHeap::RunTop(int64_t now, Due* due) {
  const Entry e = entries_[0];
  TimerNode* const t = e.t;
  if (TryDrop(e)) {
    PopTop();
    return false;
  }
  uint64_t w = t->word.load();
  const int64_t when = WhenOf(w);
  if (when == 0) return false;  // stopped in this moment: look again
  if (when > e.when) {          // was put off: others may come before it
    Settle(t, &w);
    entries_[0].when = t->entry_when.load();
    SiftDown(0);
    return false;
  }
  const uint64_t firing = t->ops->revocable ? kFiring : 0;
  const int64_t period =
      t->ops->period != nullptr ? t->ops->period(t) : int64_t{0};
  if (period > 0) {
    // Those that it missed are skipped, and the rhythm is kept.
    int64_t next = when;
    const int64_t steps = (now - when) / period + 1;
    if (steps > (kMaxWhen - when) / period) {
      next = kMaxWhen;
    } else {
      next += steps * period;
    }
    if (!t->word.compare_exchange_strong(w, WordOf(next, kHeaped | firing))) {
      return false;
    }
    w = WordOf(next, 0);
    Settle(t, &w);
    entries_[0].when = t->entry_when.load();
    SiftDown(0);
    t->Ref();
    *due = {t, when, true};
    return true;
  }
  if (!t->word.compare_exchange_strong(w, firing)) return false;
  PopTop();
  // Takes over the entry's reference.
  *due = {t, when, t->ops->destroy != nullptr};
  return true;
}

int64_t TimerHeap::Run(int64_t now) {
  // relaxed: only a hint that nothing is to be done.
  if (next_when_.load(std::memory_order_relaxed) > now) return NextWhen();
  for (;;) {
    Due due[kDueBatch];
    int n = 0;
    {
      Locked locked(this);
      while (n < kDueBatch && !entries_.empty() && entries_[0].when <= now) {
        if (RunTop(now, &due[n])) ++n;
      }
      Publish();
    }
    for (int i = 0; i < n; ++i) {
      const Due& d = due[i];
      d.t->ops->fire(d.t, d.when, now);
      if (d.unref) d.t->Unref();
    }
    if (n < kDueBatch) return NextWhen();
  }
}

void TimerHeap::MoveTo(TimerHeap* other) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  TimerHost* host = nullptr;
  int64_t next = kNever;
  {
    Locked locked(this);
    RuntimeLockGuard other_guard(other->mu_);
    other->entries_.reserve(other->entries_.size() + entries_.size());
    for (const Entry& e : entries_) {
      if (TryDrop(e)) continue;
      // A Reset that sees the old heap finds out in PushEarlier.
      e.t->heap.store(other);
      other->Push(e);
    }
    entries_.clear();
    entries_.shrink_to_fit();
    ForgetStops();
    Publish();
    other->Publish();
    next = other->next_when_.load();
    host = next != kNever ? other->host_ : nullptr;
    if (host != nullptr) host->Hold();
  }
  if (host != nullptr) host->Earlier(next);
}

void TimerHeap::Drop() { DropBut(/*inheritable=*/false); }

void TimerHeap::Retire(absl::FunctionRef<TimerHeap*()> heir) {
  SetHost(nullptr);
  if (DropBut(/*inheritable=*/true)) MoveTo(heir());
}

// Drops all timers, but those that are inheritable if `inheritable`. True: there
// are some.
bool TimerHeap::DropBut(bool inheritable) {
  std::vector<Entry> kept, dropped;
  {
    RuntimeLockGuard guard(mu_);
    for (const Entry& e : entries_) {
      if (inheritable && e.t->ops->inheritable) {
        kept.push_back(e);
        continue;
      }
      if (e.t->ops->destroy == nullptr) continue;  // may be gone already
      if (Valid(e)) e.t->word.store(0);
      dropped.push_back(e);
    }
    entries_.swap(kept);
    Heapify();
    ForgetStops();
    Publish();
  }
  // Not under the lock: may call the user's code.
  for (const Entry& e : dropped) e.t->Unref();
  RuntimeLockGuard guard(mu_);
  return !entries_.empty();
}

size_t TimerHeap::Size() const {
  RuntimeLockGuard guard(mu_);
  return entries_.size();
}

size_t TimerHeap::Stopped() const {
  // relaxed: figures; for a moment the difference may be negative, and stops of
  // a timer that was moved just then are counted at the wrong heap.
  const int64_t n = stops_.load(std::memory_order_relaxed) -
                    seen_stops_.load(std::memory_order_relaxed);
  return static_cast<size_t>(std::max<int64_t>(0, n));
}

// All void entries are gone.
void TimerHeap::ForgetStops() {
  seen_stops_.store(stops_.load(std::memory_order_relaxed),
                    std::memory_order_relaxed);
}

// seq_cst: whoever lets a processor sleep publishes until when, and then looks
// here; whoever makes this earlier looks there afterwards.
void TimerHeap::Publish() {
  const int64_t next = entries_.empty() ? kNever : entries_[0].when;
  // relaxed: written under mu_ only.
  if (next_when_.load(std::memory_order_relaxed) != next) {
    next_when_.store(next);
  }
}

// Makes room for one more entry, so that Push does not throw.
void TimerHeap::Reserve() {
  if (entries_.size() == entries_.capacity()) {
    entries_.reserve(std::max<size_t>(16, 2 * entries_.size()));
  }
}

void TimerHeap::Push(const Entry& e) {
  entries_.push_back(e);
  SiftUp(entries_.size() - 1);
}

void TimerHeap::PopTop() {
  const Entry last = entries_.back();
  entries_.pop_back();
  if (!entries_.empty()) {
    entries_[0] = last;
    SiftDown(0);
  }
  if (ABSL_PREDICT_FALSE(entries_.capacity() >= kMinShrink &&
                         entries_.size() < entries_.capacity() / 8)) {
    entries_.shrink_to_fit();
  }
}

void TimerHeap::Heapify() {
  if (entries_.size() < 2) return;
  for (size_t i = (entries_.size() - 2) / kArity + 1; i-- > 0;) SiftDown(i);
}

void TimerHeap::SiftUp(size_t i) {
  const Entry e = entries_[i];
  while (i > 0) {
    const size_t parent = (i - 1) / kArity;
    if (entries_[parent].when <= e.when) break;
    entries_[i] = entries_[parent];
    i = parent;
  }
  entries_[i] = e;
}

void TimerHeap::SiftDown(size_t i) {
  const size_t n = entries_.size();
  const Entry e = entries_[i];
  for (;;) {
    const size_t first = i * kArity + 1;
    if (first >= n) break;
    size_t least = first;
    const size_t end = std::min(first + kArity, n);
    for (size_t k = first + 1; k < end; ++k) {
      if (entries_[k].when < entries_[least].when) least = k;
    }
    if (entries_[least].when >= e.when) break;
    entries_[i] = entries_[least];
    i = least;
  }
  entries_[i] = e;
}

}  // namespace mpg
