// TimerHeap: the timers of one processor, in a 4-ary heap ordered by time.
//
// It knows no scheduler. Times are nanoseconds of whatever clock its user
// reads; what a timer does is its TimerOps; who runs the heap, and when, is the
// user's affair: NextWhen says when Run has something to do.
//
//   struct MyTimer : TimerNode { ... };       // ops: fire, destroy, ...
//   heap.Reset(&t, Now() + 1000);             // any thread
//   ...
//   TimerHeap::Stop(&t);                      // any thread
//   ...
//   heap.Run(Now());                          // fires all that are due
//
// Stop and most Resets are one compare-and-swap on the timer. The heap finds
// out when it comes across the entry: a stopped timer's is dropped, one that was
// put off is sorted in again. So an entry may say too early a time, never too
// late a one: a Reset to an earlier time than the entry's pushes a second entry,
// and the first becomes void.
//
// Lifetime. A timer that is started is referred to by the heap until the heap
// has dropped its entries, which may be long after Stop. So timers count their
// references (Ref, Unref) and are ended by TimerOps::destroy, except one whose
// ops have none: that must be started once, never stopped or reset, and is free
// to go as soon as it has fired.
// Heaps are looked up through timers without a lock, so a heap's memory must
// stay a TimerHeap's as long as any of its timers exists.
//
// Thread safety: Start, Reset, Stop, NextWhen and the figures from any thread;
// Run, MoveTo, Compact and Drop as well, though one thread, the owner, should
// do it. `fire` is called by who calls Run, with no lock held. After a Stop a
// call to fire that had already begun may still be under way.
// Blocks: never, but for a short lock.
// Errors: std::bad_alloc if the heap cannot grow: a timer that was not in a heap
// is not started, one that was to fire earlier may be late.
//
// Source: Go's timers (time.go, Go 1.23) for the lazy heap. Go marks a timer
// that was moved to an earlier time and repairs the whole heap when that comes;
// a second entry costs O(log n) instead.
#ifndef MPG_TIMER_TIMER_HEAP_H_
#define MPG_TIMER_TIMER_HEAP_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "base/lock.h"

namespace mpg {

class TimerHeap;
struct TimerNode;

// What a kind of timer does: a static constant.
struct TimerOps {
  // The timer was due at `when`; it is `now`. May start and stop timers.
  void (*fire)(TimerNode* t, int64_t when, int64_t now);
  // Nanoseconds from one firing to the next, > 0; null or 0: fires once.
  int64_t (*period)(const TimerNode* t);
  // The last reference is gone. Null: see "Lifetime".
  void (*destroy)(TimerNode* t);
  // Between the claim of a firing and `fire`, Stop and Reset may still call it
  // off: `fire` begins with TakeFiring.
  bool revocable;
  // Goes to the heir when its heap is given up (Retire), else is dropped.
  bool inheritable;
};

struct TimerNode {
  explicit constexpr TimerNode(const TimerOps* o) : ops(o) {}
  TimerNode(const TimerNode&) = delete;
  TimerNode& operator=(const TimerNode&) = delete;

  void Ref() {
    // relaxed: the caller has a reference, so this publishes nothing.
    refs.fetch_add(1, std::memory_order_relaxed);
  }
  void Unref() {
    if (UnrefIsLast()) ops->destroy(this);
  }
  // True: the caller is to destroy it.
  bool UnrefIsLast() {
    // acq_rel: what others did before their Unref is visible to who destroys.
    return refs.fetch_sub(1, std::memory_order_acq_rel) == 1;
  }
  // For `fire` of revocable timers: false if Stop or Reset was faster.
  bool TakeFiring();
  // Is to fire.
  bool Pending() const;

  const TimerOps* const ops;
  // The time it is to fire (0: not at all) << 3, and flags: see timer_heap.cc.
  std::atomic<uint64_t> word{0};
  // What its valid entry in the heap says; at most the time in `word`.
  std::atomic<int64_t> entry_when{0};
  std::atomic<TimerHeap*> heap{nullptr};  // that has its valid entry
  std::atomic<int32_t> refs{1};
};

// Hears of timers that others than the owner put into the heap.
class TimerHost {
 public:
  virtual ~TimerHost() = default;
  // Called under the heap's lock, before Earlier without it: keeps the host
  // alive in between.
  virtual void Hold() = 0;
  // The heap's earliest timer is now due at `when`.
  virtual void Earlier(int64_t when) = 0;
};

class TimerHeap {
 public:
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
  // A timer this late never fires: 73 years after the clock's zero.
  static constexpr int64_t kMaxWhen = (int64_t{1} << 61) - 1;

  TimerHeap() = default;
  ~TimerHeap() { Drop(); }
  TimerHeap(const TimerHeap&) = delete;
  TimerHeap& operator=(const TimerHeap&) = delete;

  // Null: nobody wants to hear. Afterwards no call to the former host begins.
  void SetHost(TimerHost* host);

  // Makes t fire at `when` (clamped to 1 .. kMaxWhen). A timer that no heap has
  // goes into this one; another stays where it is. Returns whether it was
  // pending. *earliest (may be null) tells whether t went into this heap as the
  // earliest; the host is told of changes in another heap only.
  bool Reset(TimerNode* t, int64_t when, bool* earliest);

  // Reset for a timer that was never started and that nobody else knows yet:
  // saves a third of the time. Returns whether it is the earliest.
  bool Start(TimerNode* t, int64_t when);

  // t fires no more. False: it was not pending; it has fired, perhaps just now,
  // or was stopped before.
  static bool Stop(TimerNode* t);

  // Run has nothing to do before this time; kNever: there are no timers. A lower
  // bound: the timer may have been stopped or put off.
  int64_t NextWhen() const {
    // seq_cst: pairs with Publish; see the user's protocol for sleeping.
    return next_when_.load();
  }

  // Fires all timers due at `now`, in the order of their times. Returns
  // NextWhen.
  int64_t Run(int64_t now);

  // Puts all timers into `other`. Not concurrently with a MoveTo the other way.
  void MoveTo(TimerHeap* other);
  // Drops the entries of timers that were stopped.
  void Compact();
  // Stops all timers and drops them.
  void Drop();
  // The heap's user ends: moves the inheritable timers to what heir() returns,
  // which is called if there are any, and drops the others. No more calls to the
  // host begin.
  void Retire(absl::FunctionRef<TimerHeap*()> heir);

  // Entries, and those among them that Stop has made void (about).
  size_t Size() const;
  size_t Stopped() const;

 private:
  struct Entry {
    int64_t when;
    TimerNode* t;
  };
  // Claimed for firing.
  struct Due {
    TimerNode* t;
    int64_t when;
    bool unref;  // of a reference that Run has taken for the call
  };
  // Holds mu_, and destroys what lost its last reference meanwhile after it has
  // released it: that may call the user's code.
  class ABSL_SCOPED_LOCKABLE Locked {
   public:
    explicit Locked(TimerHeap* heap) ABSL_EXCLUSIVE_LOCK_FUNCTION(heap->mu_)
        : heap_(heap) {
      heap_->mu_.Lock();
    }
    ~Locked() ABSL_UNLOCK_FUNCTION();
    Locked(const Locked&) = delete;
    Locked& operator=(const Locked&) = delete;

   private:
    TimerHeap* const heap_;
  };

  bool Insert(TimerNode* t, int64_t when);
  static void PushEarlier(TimerNode* t, int64_t when);
  void Settle(TimerNode* t, uint64_t* word) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool Valid(const Entry& e) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool TryDrop(const Entry& e) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool DropBut(bool inheritable);
  void TrimLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void CompactLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool RunTop(int64_t now, Due* due) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Reserve() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Push(const Entry& e) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void PopTop() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Heapify() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void SiftUp(size_t i) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void SiftDown(size_t i) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Publish() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void ForgetStops() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  mutable RuntimeLock mu_;
  std::vector<Entry> entries_ ABSL_GUARDED_BY(mu_);
  // Without references, linked through `word`; see Locked.
  TimerNode* dead_ ABSL_GUARDED_BY(mu_) = nullptr;
  TimerHost* host_ ABSL_GUARDED_BY(mu_) = nullptr;
  std::atomic<int64_t> next_when_{kNever};  // written under mu_. Go: timer0When
  // Stops of timers that have an entry here, and entries that were superseded.
  // Go: deletedTimers, zombies.
  std::atomic<int64_t> stops_{0};
  // Those whose entries are gone, or whose timers were reset. Written under mu_.
  std::atomic<int64_t> seen_stops_{0};
};

}  // namespace mpg

#endif  // MPG_TIMER_TIMER_HEAP_H_
