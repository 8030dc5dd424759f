// Variables with one writer at a time that others may look at.
#ifndef MPG_RUNTIME_OWNER_CELL_H_
#define MPG_RUNTIME_OWNER_CELL_H_

#include <atomic>
#include <cstdint>

namespace mpg {
namespace internal {

// Behaves as a T for its owner. Others (dumps, statistics, sysmon) read it at
// any time and get some recent value: all accesses but Publish and Acquire are
// relaxed, nothing is published with them, and they cost what a plain T does.
template <class T>
class OwnerCell {
 public:
  OwnerCell() : OwnerCell(T()) {}
  OwnerCell(T value) : value_(value) {}  // NOLINT: stands for a T
  OwnerCell(const OwnerCell&) = delete;
  OwnerCell& operator=(const OwnerCell&) = delete;

  T Get() const { return value_.load(std::memory_order_relaxed); }
  operator T() const { return Get(); }  // NOLINT: stands for a T
  T operator->() const { return Get(); }
  // For a value whose readers follow it: release, pairs with Acquire.
  void Publish(T value) { value_.store(value, std::memory_order_release); }
  T Acquire() const { return value_.load(std::memory_order_acquire); }
  T operator=(T value) {
    value_.store(value, std::memory_order_relaxed);
    return value;
  }

 private:
  std::atomic<T> value_;
};

// A counter with one writer at a time, readable by all.
class OwnerCounter {
 public:
  void Add(uint64_t n) {
    // relaxed load: the owner's own value. release: pairs with the acquire in
    // Get, so that a sum over several counters is never ahead of its causes.
    value_.store(value_.load(std::memory_order_relaxed) + n,
                 std::memory_order_release);
  }
  // acquire: pairs with the release in Add.
  uint64_t Get() const { return value_.load(std::memory_order_acquire); }

 private:
  std::atomic<uint64_t> value_{0};
};

}  // namespace internal
}  // namespace mpg

#endif  // MPG_RUNTIME_OWNER_CELL_H_
