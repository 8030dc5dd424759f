// What a Context refers to: nodes that keep their parents, and hooks, which are
// what has to happen when a node is cancelled.
//
// Invariants:
//  (1) References lead from child to parent and nowhere back, so counts suffice.
//      A parent knows its children only as members of a list that each leaves,
//      under the lock, before its memory goes.
//  (2) One lock for a tree: the one in the topmost node that can be cancelled,
//      kept by those below through (1). So a cancel takes a whole subtree at
//      one moment, and a hook is reached wherever it has moved to.
//  (3) A hook is in the list of one node of its tree, or has been fired or
//      stopped, or its tree has ended. A node that ends uncancelled hands its
//      hooks up.
//  (4) Whoever marks a node cancelled takes its hooks at the same moment, and
//      fires them after releasing the lock: closing a channel wakes others.
#ifndef MPG_CONTEXT_CONTEXT_NODE_H_
#define MPG_CONTEXT_CONTEXT_NODE_H_

#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/lock.h"
#include "channel/chan.h"
#include "channel/unit.h"
#include "timer/timer_heap.h"

namespace mpg {
namespace internal {

struct CancelNode;

// A member of a circular list, or its head.
struct ListLink {
  ListLink* next = this;
  ListLink* prev = this;

  ListLink() = default;
  ListLink(const ListLink&) = delete;
  ListLink& operator=(const ListLink&) = delete;

  bool empty() const { return next == this; }
  void Unlink() {  // harmless if in no list
    prev->next = next;
    next->prev = prev;
    next = prev = this;
  }
  void InsertBefore(ListLink* at) {
    prev = at->prev;
    next = at;
    prev->next = next->prev = this;
  }
  // Moves all of `from` to the end of this list.
  void Append(ListLink* from) {
    if (from->empty()) return;
    from->next->prev = prev;
    prev->next = from->next;
    from->prev->next = this;
    prev = from->prev;
    from->next = from->prev = from;
  }
};

struct ContextNode {
  ContextNode(ContextNode* parent, CancelNode* canceller);
  virtual ~ContextNode() = default;
  // Called without references to this, while the parent still is. May use the
  // tree's lock.
  virtual void BeforeEnd() {}
  void Ref() {
    // relaxed: the caller has a reference, so this publishes nothing.
    refs.fetch_add(1, std::memory_order_relaxed);
  }
  static void Unref(ContextNode* node);

  std::atomic<size_t> refs{1};
  ContextNode* const parent;  // a reference, or null
  // The nearest of this and its ancestors that can be cancelled, or null.
  CancelNode* canceller;
  // Of a WithValue, else null.
  const void* key = nullptr;
  const void* value = nullptr;
};

class NodeRef {
 public:
  NodeRef() = default;
  explicit NodeRef(ContextNode* node) : node_(node) {}  // takes a reference
  NodeRef(const NodeRef& other) : node_(other.node_) {
    if (node_ != nullptr) node_->Ref();
  }
  NodeRef(NodeRef&& other) noexcept
      : node_(std::exchange(other.node_, nullptr)) {}
  NodeRef& operator=(NodeRef other) noexcept {
    std::swap(node_, other.node_);
    return *this;
  }
  ~NodeRef() { ContextNode::Unref(node_); }
  ContextNode* get() const { return node_; }

 private:
  ContextNode* node_ = nullptr;
};

template <class T>
struct ValueNode final : ContextNode {
  template <class V>
  ValueNode(const NodeRef& above, const void* k, V&& v)
      : ContextNode(above.get(),
                    above.get() == nullptr ? nullptr : above.get()->canceller),
        held(std::forward<V>(v)) {
    key = k;
    value = std::addressof(held);
  }
  const T held;
};

struct Hook : ListLink {
  virtual ~Hook() = default;
  // Called once, out of all lists, holding no lock. Ends the hook.
  virtual void Fire() = 0;
  // Called instead if the tree has ended or nobody could notice.
  virtual void Drop() = 0;
  // Whether anybody could still notice that this fires.
  virtual bool Wanted() const { return true; }
};

// Closes a Done channel.
struct DoneHook final : Hook {
  explicit DoneHook(Chan<Unit> c) : done(std::move(c)) {}
  void Fire() override;
  void Drop() override { delete this; }
  bool Wanted() const override;
  const Chan<Unit> done;
};

// Runs a function. Counted: by its list and its StopFuncs.
struct AfterHook final : Hook {
  explicit AfterHook(absl::AnyInvocable<void()> f) : fn(std::move(f)) {}
  void Fire() override;
  void Drop() override;
  // True for the first who asks: it starts the function or has stopped it.
  bool Claim() {
    // acq_rel: `fn` belongs to the winner.
    return !claimed.exchange(true, std::memory_order_acq_rel);
  }

  std::shared_ptr<AfterHook> in_list;  // the list's own reference
  std::atomic<bool> claimed{false};
  absl::AnyInvocable<void()> fn;
};
using AfterRef = std::shared_ptr<AfterHook>;

// Cancels a context when its deadline has come. Keeps the context until then, or
// until it is cancelled otherwise. Counted as a timer: by its heap and its list.
struct DeadlineHook final : Hook, TimerNode {
  DeadlineHook(NodeRef n, absl::Status why)
      : TimerNode(&kOps), node(std::move(n)), cause(std::move(why)) {}
  void Fire() override;
  void Drop() override { Fire(); }

  static void Expire(TimerNode* t, int64_t when, int64_t now);
  static void Destroy(TimerNode* t) { delete static_cast<DeadlineHook*>(t); }
  static constexpr TimerOps kOps = {Expire, nullptr, Destroy,
                                    /*revocable=*/false, /*inheritable=*/true};

  // Who claims it has `node`.
  bool Claim() {
    // acq_rel: as in AfterHook.
    return !claimed.exchange(true, std::memory_order_acq_rel);
  }
  std::atomic<bool> claimed{false};
  NodeRef node;
  const absl::Status cause;
};

struct CancelNode final : ContextNode, ListLink {
  // Is cancelled at `deadline` by somebody else, see DeadlineHook.
  explicit CancelNode(ContextNode* above,
                      absl::Time deadline = absl::InfiniteFuture());
  ~CancelNode() override;
  void BeforeEnd() override;

  RecvChan<Unit> Done();
  // Cancels this and all below. Later calls wait until Done is closed.
  void Cancel(const absl::Status& why, const absl::Status& because);
  // The same, but returns false at once if somebody else has cancelled it.
  bool TryCancel(const absl::Status& why, const absl::Status& because);
  bool IsCancelled() const {
    // acquire: pairs with the release in Mark.
    return cancelled.load(std::memory_order_acquire);
  }
  // Adds `hook` to be fired; fires it now if this is cancelled.
  void Add(Hook* hook);
  // Takes a hook that was added back, unless it has been or is being fired.
  // REQUIRES: this has not ended since.
  bool Remove(Hook* hook);
  bool StopAfter(AfterHook* after);

  CancelNode* const above;    // the nearest ancestor that can be cancelled
  const absl::Time deadline;  // its own or an ancestor's, whichever is earlier
  RuntimeLock* const lock;    // of the tree
  RuntimeLock own_lock;       // that lock, if above is null
  std::atomic<bool> cancelled{false};
  // Written once, before `cancelled`.
  absl::Status err;
  absl::Status cause;

  // Guarded by *lock. (Clang's analysis does not see that nodes share it.)
  ListLink children;
  ListLink hooks;
  RecvChan<Unit> done;

 private:
  // The part of Cancel that concerns this node alone; *lock is held.
  void Mark(const absl::Status& why, const absl::Status& because,
            ListLink* nodes, ListLink* fired);
};

const absl::Status& DeadlineExceeded();

const void* FindValue(const ContextNode* node, const void* key);

}  // namespace internal
}  // namespace mpg

#endif  // MPG_CONTEXT_CONTEXT_NODE_H_
