#include "trace/trace_tables.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "absl/base/thread_annotations.h"
#include "trace/event.h"

namespace mpg {
namespace {

void* Map(size_t bytes) {
  void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return p == MAP_FAILED ? nullptr : p;
}

}  // namespace

TraceTables::TraceTables(uint64_t generation,
                         const std::vector<std::string>& fixed)
    : generation_(generation),
      // Zeroed memory is an array of null pointers.
      buckets_(static_cast<std::atomic<TraceStack*>*>(
          Map(kBuckets * sizeof(std::atomic<TraceStack*>)))) {
  for (const std::string& s : fixed) {
    strings_.emplace(s, strings_.size() + 1);
  }
}

TraceTables::~TraceTables() {
  RuntimeLockGuard guard(stacks_mu_);
  while (chunks_ != nullptr) {
    char* next;
    std::memcpy(&next, chunks_, sizeof next);
    munmap(chunks_, kChunk);
    chunks_ = next;
  }
  if (buckets_ != nullptr) {
    munmap(static_cast<void*>(buckets_),
           kBuckets * sizeof(std::atomic<TraceStack*>));
  }
}

uint64_t TraceTables::HashOf(const uintptr_t* pcs, uint32_t n) {
  uint64_t h = n;
  for (uint32_t i = 0; i < n; ++i) {
    h = (h ^ pcs[i]) * 0x9E3779B97F4A7C15u;
    h ^= h >> 29;
  }
  return h;
}

void* TraceTables::Allocate(size_t bytes) {
  bytes = (bytes + 7) & ~size_t{7};
  if (used_ + bytes > kChunk) {
    char* chunk = static_cast<char*>(Map(kChunk));
    if (chunk == nullptr) return nullptr;
    std::memcpy(chunk, &chunks_, sizeof chunks_);
    chunks_ = chunk;
    used_ = sizeof chunks_;
  }
  void* p = chunks_ + used_;
  used_ += bytes;
  return p;
}

const TraceStack* TraceTables::Stack(const uintptr_t* pcs, uint32_t n) {
  n = std::min<uint32_t>(n, kMaxStackFrames);
  if (n == 0 || buckets_ == nullptr) return nullptr;
  const uint64_t hash = HashOf(pcs, n);
  std::atomic<TraceStack*>& bucket = buckets_[hash % kBuckets];
  auto find = [&](TraceStack* s) {
    while (s != nullptr && (s->hash != hash || s->size != n ||
                            !std::equal(pcs, pcs + n, s->pcs))) {
      s = s->next;
    }
    return s;
  };
  // acquire: pairs with the release below.
  if (TraceStack* s = find(bucket.load(std::memory_order_acquire))) return s;
  RuntimeLockGuard guard(stacks_mu_);
  // relaxed: changes under the lock only.
  TraceStack* const first = bucket.load(std::memory_order_relaxed);
  if (TraceStack* s = find(first)) return s;
  auto* s = static_cast<TraceStack*>(
      Allocate(sizeof(TraceStack) + n * sizeof(uintptr_t)));
  if (s == nullptr) return nullptr;
  s->next = first;
  s->hash = hash;
  s->id = next_stack_++;
  s->size = n;
  std::copy(pcs, pcs + n, s->pcs);
  bucket.store(s, std::memory_order_release);
  return s;
}

uint64_t TraceTables::String(absl::string_view s) {
  if (s.empty()) return 0;
  std::string key(s.substr(0, kMaxStringBytes));
  RuntimeLockGuard guard(strings_mu_);
  return strings_.emplace(std::move(key), strings_.size() + 1).first->second;
}

void TraceTables::ForEachStack(
    absl::FunctionRef<void(const TraceStack&)> fn) const {
  if (buckets_ == nullptr) return;
  for (size_t i = 0; i < kBuckets; ++i) {
    // acquire: pairs with the release in Stack.
    for (const TraceStack* s = buckets_[i].load(std::memory_order_acquire);
         s != nullptr; s = s->next) {
      fn(*s);
    }
  }
}

void TraceTables::ForEachString(
    absl::FunctionRef<void(uint64_t id, absl::string_view)> fn) const
    ABSL_NO_THREAD_SAFETY_ANALYSIS {
  for (const auto& [s, id] : strings_) fn(id, s);
}

}  // namespace mpg
