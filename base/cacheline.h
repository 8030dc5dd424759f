// Facts about the processor's caches, and the spin-wait hint.
//
// Thread safety: constants and a pure instruction; callable anywhere.
#ifndef MPG_BASE_CACHELINE_H_
#define MPG_BASE_CACHELINE_H_

#include <cstddef>

namespace mpg {

// The unit in which two cores pass memory to and fro. x86-64 and the aarch64
// cores we run on use 64 bytes. std::hardware_destructive_interference_size is
// not used: gcc 12 warns that its value may differ between translation units.
inline constexpr size_t kCacheLineSize = 64;

#define MPG_CACHELINE_ALIGNED alignas(::mpg::kCacheLineSize)

// Tells the core that this is a spin-wait loop, so that it neither speculates
// down it nor starves its sibling. Go: procyield.
inline void CpuRelax() {
#if defined(__x86_64__)
  asm volatile("pause" ::: "memory");
#elif defined(__aarch64__)
  asm volatile("isb" ::: "memory");
#else
  asm volatile("" ::: "memory");
#endif
}

// Starts fetching the line at `p` for writing; `p` may be any address.
inline void PrefetchForWrite(const void* p) { __builtin_prefetch(p, 1, 3); }

// The same where another core has written the line or reads it: that one loses it.
// (Without -mprfchw, __builtin_prefetch fetches a line to read, and the store
// waits for the other core all the same.)
inline void PrefetchToOwn(const void* p) {
#if defined(__x86_64__)
  asm volatile("prefetchw %0" : : "m"(*static_cast<const char*>(p)));
#else
  PrefetchForWrite(p);
#endif
}

}  // namespace mpg

#endif  // MPG_BASE_CACHELINE_H_
