#include "context/semaphore.h"

#include <cstdint>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "base/lock.h"
#include "base/panic.h"
#include "base/park.h"
#include "base/wait_reason.h"
#include "context/context.h"
#include "context/context_node.h"

namespace mpg {

// What Acquires that wait refer to too: they can be abandoned, or hear that
// their context is cancelled, after the Semaphore has gone.
//
// Lock order: `lock` is a leaf.
struct Semaphore::State {
  explicit State(int64_t n) : size(n) {}

  bool TryAcquire(int64_t n) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock) {
    if (size - held < n || !queue.empty()) return false;
    held += n;
    return true;
  }
  void Grant(internal::ListLink* woken) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock);
  void Leave(Waiting* w, internal::ListLink* woken)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock);
  void Park(std::shared_ptr<Waiting>* on_stack);
  static void Wake(internal::ListLink* woken);
  static bool Abandon(Waiter* waiter, void* arg);

  const int64_t size;
  RuntimeLock lock;
  int64_t held ABSL_GUARDED_BY(lock) = 0;
  internal::ListLink queue ABSL_GUARDED_BY(lock);  // of Places
};

// A member of State::queue, or of a list of those that are to be woken.
struct Semaphore::Place : internal::ListLink {};

// An Acquire that waits: in the semaphore's queue, and, so that a cancel reaches
// it without a goroutine of its own, in its context's list of hooks. Counted: by
// the Acquire and by that list.
struct Semaphore::Waiting final : Place, internal::Hook {
  Waiting(std::shared_ptr<State> s, Context c, int64_t k)
      : state(std::move(s)), ctx(std::move(c)), n(k) {}

  static Waiting* Of(internal::ListLink* place) {
    return static_cast<Waiting*>(static_cast<Place*>(place));
  }
  void Listen(const std::shared_ptr<Waiting>& self);
  void StopListening();
  // Hook:
  void Fire() override;
  void Drop() override { const auto self = std::move(in_list); }

  const std::shared_ptr<State> state;
  // While ctx lists this, which it does until StopListening or a cancel, the two
  // keep each other.
  const Context ctx;
  std::shared_ptr<Waiting> in_list;
  const int64_t n;
  Waiter* waiter = nullptr;
  // Guarded by state->lock. The first two also tell the Acquire, once woken, how
  // it went.
  bool granted = false;
  bool cancelled = false;
  bool queued = false;  // nobody has undertaken to Ready it
};

// Takes the first out of the queue for as long as there is enough for them. Only
// from the front: whoever wants much would wait for ever if those behind it
// could take each little that is released.
void Semaphore::State::Grant(internal::ListLink* woken) {
  while (!queue.empty()) {
    Waiting* const first = Waiting::Of(queue.next);
    if (size - held < first->n) return;
    held += first->n;
    first->granted = true;
    first->queued = false;
    first->Place::Unlink();
    first->Place::InsertBefore(woken);
  }
}

// Takes w out of the queue ungranted.
void Semaphore::State::Leave(Waiting* w, internal::ListLink* woken) {
  const bool was_first = queue.next == static_cast<Place*>(w);
  w->Place::Unlink();
  w->queued = false;
  // Those behind may have waited for its turn only.
  if (was_first) Grant(woken);
}

void Semaphore::State::Wake(internal::ListLink* woken) {
  while (!woken->empty()) {
    Waiting* const w = Waiting::Of(woken->next);
    w->Place::Unlink();
    Ready(w->waiter);  // *w may be gone
  }
}

// Blocks until **on_stack is granted or cancelled. Park unlocks what is locked
// here.
void Semaphore::State::Park(std::shared_ptr<Waiting>* on_stack)
    ABSL_NO_THREAD_SAFETY_ANALYSIS {
  static constexpr ParkSite kSite = {WaitReason::kSelect, nullptr, &Abandon};
  Waiting* const w = on_stack->get();
  lock.Lock();
  if (w->cancelled || (w->granted = TryAcquire(w->n))) {
    lock.Unlock();
    return;
  }
  w->waiter = CurrentWaiter();
  w->queued = true;
  w->Place::InsertBefore(&queue);
  mpg::Park(w->waiter, &kSite, &lock, on_stack);
}

// ParkSite::abandon. `arg` is the reference on the Acquire's stack, which nobody
// else will drop.
bool Semaphore::State::Abandon(Waiter*, void* arg) {
  auto& on_stack = *static_cast<std::shared_ptr<Waiting>*>(arg);
  internal::ListLink woken;
  {
    RuntimeLockGuard guard(on_stack->state->lock);
    if (!on_stack->queued) return false;
    on_stack->state->Leave(on_stack.get(), &woken);
  }
  Wake(&woken);
  on_stack->StopListening();
  on_stack.reset();
  return true;
}

void Semaphore::Waiting::Listen(const std::shared_ptr<Waiting>& self) {
  internal::CancelNode* const node = ctx.canceller();
  if (node == nullptr) return;
  in_list = self;
  node->Add(this);
}

void Semaphore::Waiting::StopListening() {
  internal::CancelNode* const node = ctx.canceller();
  if (node != nullptr && node->Remove(this)) Drop();
}

// The context is cancelled. Perhaps before the Acquire has joined the queue, or
// after it is over.
void Semaphore::Waiting::Fire() {
  const auto self = std::move(in_list);
  internal::ListLink woken;
  {
    RuntimeLockGuard guard(state->lock);
    cancelled = true;
    if (queued) {
      state->Leave(this, &woken);
      Place::InsertBefore(&woken);
    }
  }
  State::Wake(&woken);
}

Semaphore::Semaphore(int64_t n) : state_(std::make_shared<State>(n)) {}

absl::Status Semaphore::Acquire(const Context& ctx, int64_t n) {
  absl::Status err = ctx.Err();
  if (!err.ok() || TryAcquire(n)) return err;
  if (n > state_->size) {
    ctx.Done().Recv();
    return ctx.Err();
  }
  auto waiting = std::make_shared<Waiting>(state_, ctx, n);
  waiting->Listen(waiting);
  state_->Park(&waiting);
  waiting->StopListening();
  err = ctx.Err();
  if (!err.ok() && waiting->granted) Release(n);
  return err;
}

bool Semaphore::TryAcquire(int64_t n) {
  PreemptPoint();
  RuntimeLockGuard guard(state_->lock);
  return state_->TryAcquire(n);
}

void Semaphore::Release(int64_t n) {
  internal::ListLink woken;
  bool held = false;
  {
    RuntimeLockGuard guard(state_->lock);
    held = state_->held >= n;
    if (held) {
      state_->held -= n;
      state_->Grant(&woken);
    }
  }
  if (!held) throw Panic("semaphore: released more than held");
  State::Wake(&woken);
}

}  // namespace mpg
