// WorldLock: a mutual exclusion lock for goroutines and threads, first come
// first served, held while the world is stopped. Go: worldsema.
//
// It is not sync/mutex.h's Mutex because the scheduler is below nothing that
// waits for it: whoever waits here parks like any other and can be stopped.
#ifndef MPG_RUNTIME_WORLD_H_
#define MPG_RUNTIME_WORLD_H_

#include "base/lock.h"
#include "base/park.h"

namespace mpg {
namespace internal {

class WorldLock {
 public:
  // Parks until the lock is the caller's.
  void Acquire();
  // False: somebody has it.
  bool TryAcquire();
  void Release();

 private:
  struct Node {
    Waiter* waiter;
    WorldLock* lock;
    Node* next;
  };
  static bool Abandon(Waiter* w, void* arg);
  static const ParkSite kSite;

  RuntimeLock mu_;
  bool held_ = false;
  Node* first_ = nullptr;
  Node** last_ = &first_;
};

}  // namespace internal
}  // namespace mpg

#endif  // MPG_RUNTIME_WORLD_H_
