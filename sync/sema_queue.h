// SemaQueue: who waits at which key, in which order. The data structure inside
// a root of the semaphore table: no locks, no waking.
//
// It is a treap (a search tree by key that is also a heap by a random priority,
// hence balanced whatever the keys are) with one node for each key that somebody
// waits at. That node is the first waiter of the key and heads a doubly linked
// list of the others.
//
//   Enqueue, Front, Dequeue   O(log k), k the number of distinct keys
//   Remove                    O(log k)
//
// The nodes belong to the caller and stay where they are while they are queued:
// a waiter keeps its node on its own stack. Nothing is allocated.
//
// Thread safety: none; the table's lock guards it.
// Source: Go's semaRoot.queue and dequeue (sema.go). Go rotates nodes up and
// down and so keeps parent pointers; here a subtree is split where a node comes
// in and two are merged where one goes, which needs neither.
#ifndef MPG_SYNC_SEMA_QUEUE_H_
#define MPG_SYNC_SEMA_QUEUE_H_

#include <cstdint>

#include "base/park.h"
#include "base/random.h"

namespace mpg {
namespace internal {

struct SemaNode {
  SemaNode(Waiter* w, uintptr_t k) : waiter(w), key(k) {}
  SemaNode(const SemaNode&) = delete;
  SemaNode& operator=(const SemaNode&) = delete;

  Waiter* const waiter;
  const uintptr_t key;

  // From waker to waiter: written before Ready, read after Park.
  bool granted = false;  // what was waited for is the waiter's already
  bool more = false;     // others were still waiting at the key

  // NanoTime, if a lock is waited for and somebody wants to know; else 0.
  int64_t since = 0;

  // The rest is SemaQueue's.
  bool queued = false;
  uint32_t priority;  // of the first waiter at a key
  SemaNode* left;     // of the first: smaller keys
  SemaNode* right;    // of the first: greater keys
  SemaNode* next;     // came after this one; null: the last
  SemaNode* prev;     // came before this one; of the first: the last
};

class SemaQueue {
 public:
  // The seed decides the shape of the tree, never an order that can be seen.
  explicit constexpr SemaQueue(uint64_t seed) : rand_(seed) {}

  bool Empty() const { return root_ == nullptr; }

  // Puts `node` behind all that wait at its key; before them if `lifo`.
  void Enqueue(SemaNode* node, bool lifo) {
    node->queued = true;
    SemaNode** const slot = Find(node->key);
    SemaNode* const first = *slot;
    if (first == nullptr) {
      node->next = nullptr;
      node->prev = node;
      Insert(node);
    } else if (lifo) {
      node->next = first;
      node->prev = first->prev;
      first->prev = node;
      TakePlace(slot, node);
    } else {
      SemaNode* const last = first->prev;
      node->next = nullptr;
      node->prev = last;
      last->next = node;
      first->prev = node;
    }
  }

  // Who waits longest at `key`; null: nobody.
  SemaNode* Front(uintptr_t key) { return *Find(key); }

  // Takes out and returns Front(key), and tells it whether there are more.
  SemaNode* Dequeue(uintptr_t key) {
    SemaNode** const slot = Find(key);
    SemaNode* const first = *slot;
    if (first != nullptr) {
      first->more = first->next != nullptr;
      RemoveFirst(slot);
    }
    return first;
  }

  // Takes out `node`, wherever it stands. False: it is not queued.
  bool Remove(SemaNode* node) {
    if (!node->queued) return false;
    SemaNode** const slot = Find(node->key);
    SemaNode* const first = *slot;
    if (first == node) {
      RemoveFirst(slot);
      return true;
    }
    node->prev->next = node->next;
    (node->next != nullptr ? node->next : first)->prev = node->prev;
    node->queued = false;
    return true;
  }

  // For tests: the length of the longest path from the root.
  int Depth() const { return Depth(root_); }

 private:
  // The place of `key`'s first waiter, or where one would hang as a leaf.
  SemaNode** Find(uintptr_t key) {
    SemaNode** slot = &root_;
    while (*slot != nullptr && (*slot)->key != key) slot = Toward(*slot, key);
    return slot;
  }

  static SemaNode** Toward(SemaNode* t, uintptr_t key) {
    return key < t->key ? &t->left : &t->right;
  }

  // REQUIRES: nobody waits at node->key.
  void Insert(SemaNode* node) {
    node->priority = rand_.Next();
    SemaNode** slot = &root_;
    while (*slot != nullptr && (*slot)->priority >= node->priority) {
      slot = Toward(*slot, node->key);
    }
    // Splits what hangs there into the keys below and above ours.
    SemaNode* t = *slot;
    SemaNode** less = &node->left;
    SemaNode** greater = &node->right;
    while (t != nullptr) {
      if (t->key < node->key) {
        *less = t;
        less = &t->right;
        t = t->right;
      } else {
        *greater = t;
        greater = &t->left;
        t = t->left;
      }
    }
    *less = nullptr;
    *greater = nullptr;
    *slot = node;
  }

  // Makes `node` the tree's node in the place of *slot.
  static void TakePlace(SemaNode** slot, SemaNode* node) {
    SemaNode* const old = *slot;
    node->priority = old->priority;
    node->left = old->left;
    node->right = old->right;
    *slot = node;
  }

  static void RemoveFirst(SemaNode** slot) {
    SemaNode* const first = *slot;
    first->queued = false;
    if (SemaNode* const second = first->next; second != nullptr) {
      second->prev = first->prev;
      TakePlace(slot, second);
    } else {
      Merge(slot, first->left, first->right);
    }
  }

  // Hangs at *slot what is in the trees a and b; all keys of a are smaller.
  static void Merge(SemaNode** slot, SemaNode* a, SemaNode* b) {
    while (a != nullptr && b != nullptr) {
      if (a->priority >= b->priority) {
        *slot = a;
        slot = &a->right;
        a = a->right;
      } else {
        *slot = b;
        slot = &b->left;
        b = b->left;
      }
    }
    *slot = a != nullptr ? a : b;
  }

  static int Depth(const SemaNode* t) {
    if (t == nullptr) return 0;
    const int left = Depth(t->left);
    const int right = Depth(t->right);
    return 1 + (left > right ? left : right);
  }

  SemaNode* root_ = nullptr;
  FastRand rand_;
};

}  // namespace internal
}  // namespace mpg

#endif  // MPG_SYNC_SEMA_QUEUE_H_
