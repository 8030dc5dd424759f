// What the events of one generation refer to by number: call stacks and strings.
//
// Thread safety: any thread. Stack: without a lock if the stack is known, and
// usable in a signal handler (memory comes from the kernel, and the lock's
// holders call nothing). String: not in a handler.
#ifndef MPG_TRACE_TRACE_TABLES_H_
#define MPG_TRACE_TRACE_TABLES_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "base/lock.h"

namespace mpg {

struct TraceStack {
  TraceStack* next;  // of the same hash bucket
  uint64_t hash;
  uint32_t id;
  uint32_t size;
  uintptr_t pcs[];
};

class TraceTables {
 public:
  // `fixed`: strings 1, 2, ... of every generation.
  TraceTables(uint64_t generation, const std::vector<std::string>& fixed);
  ~TraceTables();
  TraceTables(const TraceTables&) = delete;
  TraceTables& operator=(const TraceTables&) = delete;

  uint64_t generation() const { return generation_; }

  // The stack's entry, which lives as long as the table. Null: no memory.
  const TraceStack* Stack(const uintptr_t* pcs, uint32_t n);
  static uint64_t HashOf(const uintptr_t* pcs, uint32_t n);

  // The string's number; s is cut at kMaxStringBytes. "" is 0.
  uint64_t String(absl::string_view s);

  // While nobody adds any more, or in a dying process.
  void ForEachStack(absl::FunctionRef<void(const TraceStack&)> fn) const;
  void ForEachString(
      absl::FunctionRef<void(uint64_t id, absl::string_view)> fn) const;

 private:
  static constexpr size_t kBuckets = 1 << 13;
  static constexpr size_t kChunk = 1 << 18;

  void* Allocate(size_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(stacks_mu_);

  const uint64_t generation_;
  std::atomic<TraceStack*>* buckets_ = nullptr;  // kBuckets
  mutable RuntimeLock stacks_mu_;
  uint32_t next_stack_ ABSL_GUARDED_BY(stacks_mu_) = 1;
  char* chunks_ ABSL_GUARDED_BY(stacks_mu_) =
      nullptr;  // each begins with a link
  size_t used_ ABSL_GUARDED_BY(stacks_mu_) = kChunk;
  mutable RuntimeLock strings_mu_;
  std::unordered_map<std::string, uint64_t> strings_
      ABSL_GUARDED_BY(strings_mu_);
};

}  // namespace mpg

#endif  // MPG_TRACE_TRACE_TABLES_H_
