// ErrGroup: goroutines that work on parts of one task; the first error cancels
// the others. Go: golang.org/x/sync/errgroup.
//
//   ErrGroup group(ctx);
//   for (const Url& url : urls) {
//     group.Go([&, ctx = group.context()] { return Fetch(ctx, url); });
//   }
//   absl::Status first_error = group.Wait();
//
// Thread safety: Go, TryGo and Wait as WaitGroup's Go and Wait. SetLimit while
// nothing runs and nobody calls the others.
// What blocks: Wait; Go, if there is a limit.
// Destruction: after Wait.
#ifndef MPG_CONTEXT_ERRGROUP_H_
#define MPG_CONTEXT_ERRGROUP_H_

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "base/lock.h"
#include "channel/chan.h"
#include "channel/unit.h"
#include "context/context.h"
#include "sync/wait_group.h"

namespace mpg {

class ErrGroup {
 public:
  // Cancels nothing and has no limit.
  ErrGroup() = default;
  // context() is derived from ctx and cancelled when a function returns an
  // error, with that as the cause, or when Wait returns.
  explicit ErrGroup(const Context& ctx);
  ErrGroup(const ErrGroup&) = delete;
  ErrGroup& operator=(const ErrGroup&) = delete;

  const Context& context() const { return ctx_; }

  // Runs fn concurrently (a goroutine; a std::thread outside a Runtime). With a
  // limit, blocks until fewer than that run.
  void Go(absl::AnyInvocable<absl::Status()> fn);

  // As Go if that does not block; else false, and fn is not run.
  bool TryGo(absl::AnyInvocable<absl::Status()> fn);

  // Blocks until all functions have returned. The first error, or OK.
  absl::Status Wait();

  // At most n at a time; negative: no limit; 0: none, so that Go blocks. Throws
  // Panic("errgroup: modify limit while %v goroutines in the group are still
  // active").
  void SetLimit(int n);

 private:
  void Start(absl::AnyInvocable<absl::Status()> fn);
  void Failed(const absl::Status& status);

  Context ctx_;
  CancelCauseFunc cancel_;
  Chan<Unit> running_;  // holds one for each; nil: no limit
  WaitGroup wg_;
  RuntimeLock lock_;
  absl::Status first_ ABSL_GUARDED_BY(lock_);
};

}  // namespace mpg

#endif  // MPG_CONTEXT_ERRGROUP_H_
