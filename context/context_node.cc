#include "context/context_node.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "absl/status/status.h"
#include "base/lock.h"
#include "base/park.h"
#include "channel/chan.h"

namespace mpg {
namespace internal {
namespace {

const RecvChan<Unit>& ClosedChan() {
  static const auto* const closed = [] {
    const auto c = MakeChan<Unit>();
    c.Close();
    return new RecvChan<Unit>(c);
  }();
  return *closed;
}

// Takes the hooks out one by one, since each ends when it is dealt with.
template <class F>
void Consume(ListLink* hooks, F deal_with) {
  while (!hooks->empty()) {
    auto* const hook = static_cast<Hook*>(hooks->next);
    hook->Unlink();
    deal_with(hook);
  }
}

void FireAll(ListLink* hooks) {
  Consume(hooks, [](Hook* hook) { hook->Fire(); });
}

}  // namespace

ContextNode::ContextNode(ContextNode* p, CancelNode* c)
    : parent(p), canceller(c) {
  if (p != nullptr) p->Ref();
}

// A loop, since chains of contexts may be long.
void ContextNode::Unref(ContextNode* node) {
  // acq_rel: what others did before their Unref is visible to who deletes.
  while (node != nullptr &&
         node->refs.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    node->BeforeEnd();
    ContextNode* const parent = node->parent;
    delete node;
    node = parent;
  }
}

void DoneHook::Fire() {
  done.Close();
  delete this;
}

bool DoneHook::Wanted() const {
  // acquire: pairs with the Unref of others. Nobody can make a handle from this
  // one, since the node has ended; so if it is the only one, it stays so.
  return done.hchan()->refs.load(std::memory_order_acquire) > 1;
}

void AfterHook::Fire() {
  const AfterRef self = std::move(in_list);
  if (Claim()) SpawnConcurrent(std::exchange(fn, nullptr));
}

void AfterHook::Drop() { const AfterRef self = std::move(in_list); }

void DeadlineHook::Fire() {
  NodeRef last;
  if (Claim()) last = std::move(node);
  TimerHeap::Stop(this);
  TimerNode::Unref();
}

void DeadlineHook::Expire(TimerNode* t, int64_t, int64_t) {
  auto* const self = static_cast<DeadlineHook*>(t);
  if (!self->Claim()) return;
  auto* const node = new NodeRef(std::move(self->node));
  // Must not wait for who cancels it in this moment.
  static_cast<CancelNode*>(node->get())
      ->TryCancel(DeadlineExceeded(),
                  self->cause.ok() ? DeadlineExceeded() : self->cause);
  // The last reference may be to the user's values.
  internal::RunAsUser([](void* ref) { delete static_cast<NodeRef*>(ref); },
                      node);
}

const absl::Status& DeadlineExceeded() {
  static const auto* const status = new absl::Status(
      absl::DeadlineExceededError("context deadline exceeded"));
  return *status;
}

CancelNode::CancelNode(ContextNode* p, absl::Time at)
    : ContextNode(p, this),
      above(p == nullptr ? nullptr : p->canceller),
      deadline(above == nullptr ? at : std::min(at, above->deadline)),
      lock(above == nullptr ? &own_lock : above->lock) {
  if (above == nullptr) return;
  RuntimeLockGuard guard(*lock);
  if (!above->IsCancelled()) {
    this->InsertBefore(&above->children);
    return;
  }
  err = above->err;
  cause = above->cause;
  // release: pairs with the acquire in IsCancelled.
  cancelled.store(true, std::memory_order_release);
}

CancelNode::~CancelNode() = default;

void CancelNode::BeforeEnd() {
  ListLink unwanted;
  {
    RuntimeLockGuard guard(*lock);
    this->Unlink();
    done = RecvChan<Unit>();  // not the last reference while its hook is here
    // If this has been cancelled there are none. The node above is not
    // cancelled, or this would be.
    while (!hooks.empty()) {
      auto* const hook = static_cast<Hook*>(hooks.next);
      hook->Unlink();
      const bool keep = above != nullptr && hook->Wanted();
      hook->InsertBefore(keep ? &above->hooks : &unwanted);
    }
  }
  Consume(&unwanted, [](Hook* hook) { hook->Drop(); });
}

RecvChan<Unit> CancelNode::Done() {
  {
    RuntimeLockGuard guard(*lock);
    if (done) return done;
    // relaxed: written under the lock.
    if (cancelled.load(std::memory_order_relaxed)) {
      done = ClosedChan();
      return done;
    }
  }
  const auto made = MakeChan<Unit>();
  auto* hook = new DoneHook(made);
  {
    RuntimeLockGuard guard(*lock);
    if (!done && !cancelled.load(std::memory_order_relaxed)) {
      done = made;
      hook->InsertBefore(hooks.next);
      return done;
    }
    if (!done) done = ClosedChan();
  }
  hook->Drop();
  RuntimeLockGuard guard(*lock);
  return done;
}

void CancelNode::Mark(const absl::Status& why, const absl::Status& because,
                      ListLink* nodes, ListLink* fired) {
  err = why;
  cause = because;
  // release: pairs with the acquire in IsCancelled.
  cancelled.store(true, std::memory_order_release);
  this->Unlink();
  nodes->Append(&children);
  fired->Append(&hooks);
}

void CancelNode::Cancel(const absl::Status& why, const absl::Status& because) {
  if (!TryCancel(why, because)) Done().Recv();
}

bool CancelNode::TryCancel(const absl::Status& why,
                           const absl::Status& because) {
  if (IsCancelled()) return false;
  ListLink fired;
  bool first = false;
  {
    RuntimeLockGuard guard(*lock);
    // relaxed: written under the lock.
    if (!cancelled.load(std::memory_order_relaxed)) {
      first = true;
      ListLink nodes;
      Mark(why, because, &nodes, &fired);
      // Breadth first: an ancestor's Done is closed before its descendants'.
      // A node here may have lost its last reference and wait for the lock.
      while (!nodes.empty()) {
        static_cast<CancelNode*>(nodes.next)
            ->Mark(why, because, &nodes, &fired);
      }
    }
  }
  if (first) FireAll(&fired);
  return first;
}

void CancelNode::Add(Hook* hook) {
  {
    RuntimeLockGuard guard(*lock);
    // relaxed: written under the lock.
    if (!cancelled.load(std::memory_order_relaxed)) {
      hook->InsertBefore(&hooks);
      return;
    }
  }
  Done().Recv();
  hook->Fire();
}

bool CancelNode::Remove(Hook* hook) {
  RuntimeLockGuard guard(*lock);
  // relaxed: written under the lock. If so, the canceller has it.
  if (cancelled.load(std::memory_order_relaxed)) return false;
  hook->Unlink();
  return true;
}

bool CancelNode::StopAfter(AfterHook* after) {
  AfterRef from_list;
  {
    RuntimeLockGuard guard(*lock);
    if (!after->Claim()) return false;
    // A canceller may have it in its own list by now; then Fire ends it.
    // relaxed: written under the lock.
    if (!cancelled.load(std::memory_order_relaxed)) {
      after->Unlink();
      from_list = std::move(after->in_list);
    }
  }
  after->fn = nullptr;
  return true;
}

const void* FindValue(const ContextNode* node, const void* key) {
  for (; node != nullptr; node = node->parent) {
    if (node->key == key) return node->value;
  }
  return nullptr;
}

}  // namespace internal
}  // namespace mpg
