// A double-ended queue of small values that allocates only when told to, so
// that it may be used under a lock that malloc must stay out of.
//
// Not thread-safe.
#ifndef MPG_RUNTIME_STACK_RING_H_
#define MPG_RUNTIME_STACK_RING_H_

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <new>
#include <type_traits>

namespace mpg {
namespace internal {

template <class T>
class Ring {
 public:
  static_assert(std::is_trivially_copyable<T>::value, "moved about as memory");
  static_assert(alignof(T) <= alignof(std::max_align_t), "operator new");

  Ring() = default;
  ~Ring() { ::operator delete(places_); }
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  size_t Size() const { return size_; }
  size_t Capacity() const { return capacity_; }

  // Makes room for n elements in all. Memory of places that were never used
  // stays untouched, and so costs none.
  void Reserve(size_t n) {
    if (n <= capacity_) return;
    size_t capacity = std::max<size_t>(capacity_, 64);
    while (capacity < n) capacity *= 2;
    // Raw memory: a constructor would touch it.
    T* const places = static_cast<T*>(::operator new(capacity * sizeof(T)));
    for (size_t i = 0; i < size_; ++i) new (&places[i]) T(At(i));
    ::operator delete(places_);
    places_ = places;
    capacity_ = capacity;
    front_ = 0;
  }

  // REQUIRES: Size() + n <= Capacity().
  void PushBack(const T* values, size_t n) {
    assert(size_ + n <= capacity_);
    for (size_t i = 0; i < n; ++i) new (&At(size_ + i)) T(values[i]);
    size_ += n;
  }

  // Moves up to max elements out, keeping their order: the last max ones, or
  // the first. Returns how many.
  size_t PopBack(T* out, size_t max) {
    const size_t n = std::min(max, size_);
    for (size_t i = 0; i < n; ++i) out[i] = At(size_ - n + i);
    Drop(n);
    return n;
  }
  size_t PopFront(T* out, size_t max) {
    const size_t n = std::min(max, size_);
    for (size_t i = 0; i < n; ++i) out[i] = At(i);
    front_ += n;
    Drop(n);
    return n;
  }

 private:
  T& At(size_t i) { return places_[(front_ + i) & (capacity_ - 1)]; }

  void Drop(size_t n) {
    size_ -= n;
    if (size_ == 0) front_ = 0;  // back to places that are touched already
  }

  T* places_ = nullptr;
  size_t capacity_ = 0;  // a power of two, or 0
  size_t front_ = 0;
  size_t size_ = 0;
};

}  // namespace internal
}  // namespace mpg

#endif  // MPG_RUNTIME_STACK_RING_H_
