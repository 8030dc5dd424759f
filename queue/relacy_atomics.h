// The queue templates' atomics under Relacy: a policy for queue/atomics.h whose
// variables Relacy watches, so that it explores the interleavings and the stale
// reads that the C++ memory model allows to the very code that ships.
//
//   struct MyTest : rl::test_suite<MyTest, /*threads=*/3> {
//     RunQueue<Task, 4, RelacyAtomics<>> q;
//     void thread(unsigned i) { ... RL_ASSERT(...) ... }
//   };
//   EXPECT_TRUE(RelacyPasses<MyTest>(/*iterations=*/100000));
//
// Include this after every other header: Relacy defines macros named new,
// delete, assert, errno and $, of which only the last survives this file.
//
// Test code only; the simulated threads are fibers, which ASan and TSan do not
// understand: skip such tests there (MPG_SKIP_UNDER_SANITIZERS).
#ifndef MPG_QUEUE_RELACY_ATOMICS_H_
#define MPG_QUEUE_RELACY_ATOMICS_H_

#include <atomic>
#include <cstdint>
#include <iostream>
#include <streambuf>
#include <type_traits>

#include "absl/base/config.h"
#include "gtest/gtest.h"
#include "relacy/relacy.hpp"
#undef new
#undef delete
#undef malloc
#undef calloc
#undef realloc
#undef free
#undef assert
#undef errno
#undef VAR
#undef VAR_T
#undef TLS_T
#undef memory_order_relaxed
#undef memory_order_consume
#undef memory_order_acquire
#undef memory_order_release
#undef memory_order_acq_rel
#undef memory_order_seq_cst

#if defined(ABSL_HAVE_ADDRESS_SANITIZER)
// Relacy replaces operator new throughout, but not every operator delete.
extern "C" inline __attribute__((used)) const char* __asan_default_options() {
  return "alloc_dealloc_mismatch=0";
}
#endif

#if defined(ABSL_HAVE_ADDRESS_SANITIZER) || defined(ABSL_HAVE_THREAD_SANITIZER)
#define MPG_SKIP_UNDER_SANITIZERS() \
  GTEST_SKIP() << "Relacy's fibers and this sanitizer do not mix"
#else
#define MPG_SKIP_UNDER_SANITIZERS() static_cast<void>(0)
#endif

namespace mpg {

// Ways to spoil the atomics without touching the code that uses them. A model
// test that does not notice them proves nothing.
enum class Weaken {
  kNothing,
  kReleaseStores,   // store(release) is relaxed
  kAcquireLoads,    // load(acquire) is relaxed
  kSeqCstStores,    // store(seq_cst) is release
  kSeqCstRmw,       // read-modify-writes that are seq_cst are relaxed
  kAtomicAdd,       // fetch_add is a load and a store
  kAtomicExchange,  // exchange is a load and a store
  kTags,            // 64-bit words lose their low 16 bits
};

inline rl::memory_order RelacyOrder(std::memory_order order) {
  switch (order) {
    case std::memory_order_relaxed:
      return rl::mo_relaxed;
    case std::memory_order_consume:
      return rl::mo_consume;
    case std::memory_order_acquire:
      return rl::mo_acquire;
    case std::memory_order_release:
      return rl::mo_release;
    case std::memory_order_acq_rel:
      return rl::mo_acq_rel;
    case std::memory_order_seq_cst:
      break;
  }
  return rl::mo_seq_cst;
}

// std::atomic<T>'s interface over Relacy's.
template <class T, Weaken kWeaken = Weaken::kNothing>
class RelacyAtomic {
 public:
  RelacyAtomic() = default;
  RelacyAtomic(T value) { store(value, std::memory_order_relaxed); }
  RelacyAtomic(const RelacyAtomic&) = delete;
  RelacyAtomic& operator=(const RelacyAtomic&) = delete;

  T load(std::memory_order order = std::memory_order_seq_cst) const {
    if (kWeaken == Weaken::kAcquireLoads &&
        order == std::memory_order_acquire) {
      order = std::memory_order_relaxed;
    }
    return value_.load(RelacyOrder(order), $);
  }

  void store(T value, std::memory_order order = std::memory_order_seq_cst) {
    if (kWeaken == Weaken::kReleaseStores &&
        order == std::memory_order_release) {
      order = std::memory_order_relaxed;
    }
    if (kWeaken == Weaken::kSeqCstStores &&
        order == std::memory_order_seq_cst) {
      order = std::memory_order_release;
    }
    value_.store(Trim(value), RelacyOrder(order), $);
  }

  T exchange(T value, std::memory_order order = std::memory_order_seq_cst) {
    if (kWeaken == Weaken::kAtomicExchange) {
      const T old = load(std::memory_order_acquire);
      store(value, std::memory_order_release);
      return old;
    }
    return value_.exchange(Trim(value), Rmw(order), $);
  }

  T fetch_add(T n, std::memory_order order = std::memory_order_seq_cst) {
    if (kWeaken == Weaken::kAtomicAdd) {
      const T old = load(std::memory_order_acquire);
      store(old + n, std::memory_order_release);
      return old;
    }
    return value_.fetch_add(n, Rmw(order), $);
  }
  T fetch_sub(T n, std::memory_order order = std::memory_order_seq_cst) {
    return value_.fetch_sub(n, Rmw(order), $);
  }
  T fetch_or(T bits, std::memory_order order = std::memory_order_seq_cst) {
    return value_.fetch_or(bits, Rmw(order), $);
  }
  T fetch_and(T bits, std::memory_order order = std::memory_order_seq_cst) {
    return value_.fetch_and(bits, Rmw(order), $);
  }

  bool compare_exchange_strong(T& expected, T desired, std::memory_order order,
                               std::memory_order on_failure) {
    return value_.compare_exchange(rl::bool_t<false>(), expected, Trim(desired),
                                   Rmw(order), OnFailure(order, on_failure), $);
  }
  bool compare_exchange_weak(T& expected, T desired, std::memory_order order,
                             std::memory_order on_failure) {
    return value_.compare_exchange(rl::bool_t<true>(), expected, Trim(desired),
                                   Rmw(order), OnFailure(order, on_failure), $);
  }

 private:
  static rl::memory_order Rmw(std::memory_order order) {
    if (kWeaken == Weaken::kSeqCstRmw && order == std::memory_order_seq_cst) {
      return rl::mo_relaxed;
    }
    return RelacyOrder(order);
  }

  // A relaxed exchange may not fail with a stronger order.
  static rl::memory_order OnFailure(std::memory_order order,
                                    std::memory_order on_failure) {
    return Rmw(order) == rl::mo_relaxed ? rl::mo_relaxed
                                        : RelacyOrder(on_failure);
  }

  static T Trim(T value) {
    if constexpr (kWeaken == Weaken::kTags && std::is_same_v<T, uint64_t>) {
      return value & ~uint64_t{0xffff};
    }
    return value;
  }

  rl::atomic<T> value_;
};

// A plain variable; Relacy reports unsynchronized use as a data race.
template <class T>
class RelacyOwned {
 public:
  RelacyOwned() = default;
  RelacyOwned(T value) : value_(value) {}
  RelacyOwned(const RelacyOwned& other) : value_(T(other)) {}
  RelacyOwned& operator=(const RelacyOwned& other) { return *this = T(other); }
  RelacyOwned& operator=(T value) {
    value_($).store(value);
    return *this;
  }
  operator T() const { return value_($).load(); }

 private:
  rl::var<T> value_;
};

template <Weaken kWeaken = Weaken::kNothing>
struct RelacyAtomics {
  template <class T>
  using Atomic = RelacyAtomic<T, kWeaken>;
  template <class T>
  using Owned = RelacyOwned<T>;
};

// A RuntimeLock for Relacy.
class RelacyLock {
 public:
  void Lock() { mutex_.lock($); }
  void Unlock() { mutex_.unlock($); }

 private:
  rl::mutex mutex_;
};

// Swallows what Relacy prints. (A string stream would not do: Relacy replaces
// operator new while it runs.)
class NullBuffer : public std::streambuf {
 protected:
  int overflow(int c) override { return traits_type::not_eof(c); }
};

// Runs Test under Relacy's scheduler `search`; true if no execution failed.
// With `report`, the history of one that did goes to stderr.
template <class Test>
bool RelacyPasses(uint64_t iterations, bool report = true,
                  rl::scheduler_type_e search = rl::sched_random,
                  unsigned context_bound = 2) {
  NullBuffer null_buffer;
  std::ostream null_stream(&null_buffer);
  rl::test_params params;
  params.iteration_count = iterations;
  params.search_type = search;
  params.context_bound = context_bound;
  params.output_stream = report ? &std::cerr : &null_stream;
  params.progress_stream = &null_stream;
  rl::simulate<Test>(params);
  return params.test_result == rl::test_result_success;
}

}  // namespace mpg

#endif  // MPG_QUEUE_RELACY_ATOMICS_H_
