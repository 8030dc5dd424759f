// What the untyped core of a channel knows about its element type, and which of
// a handful of representations a type gets.
//
// A channel's code is not compiled anew for each T. A trivially copyable T of
// at most 16 bytes is carried as a word of 0, 1, 4, 8 or 16 bytes, and all such
// types share the code for that size, in which a value moves in one or two
// instructions. Every other type is an object, moved by calls through its
// ElemType, in code that all such types share. So the size of the code in a
// program does not depend on how many channel types it has.
//
// Rejected: treating "trivially relocatable" types (std::unique_ptr) as words.
// It saves three indirect calls a message, but each operation that can fail
// would have to take the value and put it back.
//
// Thread safety: constants.
#ifndef MPG_CHANNEL_ELEM_TYPE_H_
#define MPG_CHANNEL_ELEM_TYPE_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

namespace mpg {

namespace internal {

template <class Env>
struct BasicHChan;

// What an operation on a locked channel came to.
enum class Step : uint8_t { kDone, kWouldBlock, kClosed };

// The three pointers below are this, in the two representations:
//   slot   raw memory or an element in the ring     (word, or T)
//   value  what is to be sent; moved from if it is  (word, or T)
//   to     where to receive                         (word, or std::optional<T>)
// An optional as the target lets a received object be constructed where the
// caller wants it, without a detour.
template <class Env>
struct BasicElemType {
  using HChan = BasicHChan<Env>;
  using Waiter = typename Env::Waiter;

  size_t size;         // of a slot; 0: an empty type, which has no slots
  size_t align;        // of a slot
  size_t ring_offset;  // of the first slot from the beginning of the HChan

  // For objects only; null for words, whose size says all.
  void (*move)(void* slot, void* value);     // constructs *slot; may throw
  void (*deliver)(void* to, void* value);    // constructs *to; may throw
  void (*destroy)(void* slot) /*noexcept*/;  // ends *slot; null: nothing to do

  // Called instead of freeing the channel, once nobody can reach it any more and
  // its ring is empty: its memory is another object's (BasicHChan::MakeIn). Null
  // for channels of their own.
  void (*release)(HChan* c) /*noexcept*/;

  // One attempt on a channel whose lock the caller holds and keeps. If *wake is
  // not null after it, also after an exception, the caller must Ready it once
  // it has unlocked.
  Step (*send_locked)(HChan* c, void* value, Waiter** wake);
  Step (*recv_locked)(HChan* c, void* to, Waiter** wake);
};

inline constexpr size_t kMaxWordSize = 16;

// True if T is carried as a word.
template <class T>
inline constexpr bool kIsWord = std::is_trivially_copyable_v<T> &&
                                sizeof(T) <= kMaxWordSize;

// The size of the word that carries T. REQUIRES: kIsWord<T>.
template <class T>
constexpr size_t WordSize() {
  if (std::is_empty_v<T>) return 0;
  if (sizeof(T) == 1) return 1;
  if (sizeof(T) <= 4) return 4;
  if (sizeof(T) <= 8) return 8;
  return 16;
}

// A T in its representation as a word.
template <class T>
class Word {
 public:
  Word() = default;
  explicit Word(const T& value) {
    std::memcpy(bytes_, static_cast<const void*>(&value), sizeof(T));
  }
  void* data() { return bytes_; }
  // memcpy starts the lifetime of the T whose bytes were received.
  T Get() { return *std::launder(reinterpret_cast<T*>(bytes_)); }

 private:
  static constexpr size_t kSize = WordSize<T>() > sizeof(T) ? WordSize<T>()
                                                            : sizeof(T);
  alignas(T) alignas(kSize <= 16 ? kSize : 1) unsigned char bytes_[kSize] = {};
};

// How an object type T does what ElemType asks for.
template <class T>
struct ObjectFunctions {
  static void Move(void* slot, void* value) {
    ::new (slot) T(std::move(*static_cast<T*>(value)));
  }
  static void Deliver(void* to, void* value) {
    static_cast<std::optional<T>*>(to)->emplace(
        std::move(*static_cast<T*>(value)));
  }
  static void Destroy(void* slot) { static_cast<T*>(slot)->~T(); }
};

}  // namespace internal
}  // namespace mpg

#endif  // MPG_CHANNEL_ELEM_TYPE_H_
