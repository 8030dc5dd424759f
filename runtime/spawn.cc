// Goroutine descriptors: taken, queued, recycled, counted, listed.
#include "runtime/spawn.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include <memory>
#include <new>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/panic.h"
#include "runtime/bubble.h"
#include "runtime/latency.h"
#include "runtime/sched.h"
#include "runtime/trace_hooks.h"

namespace mpg {
namespace internal {
namespace {

// Descriptors made and given to a P at once: four pages.
constexpr int kGBlock = 64;
// Descriptors of one mapping: 16 blocks at first; large ones once the program
// has shown that it needs many, aligned for huge pages (a quarter of the cost
// of 4 KiB faults).
constexpr size_t kFirstMap = size_t{1} << 18;
constexpr size_t kLargeMap = size_t{1} << 24;

[[noreturn]] void DieOfMemory(const char* what) {
  PrintError(
      absl::StrCat("runtime: cannot map ", what, ": errno=", errno, "\n"));
  FatalError("runtime: out of memory");
}

void* MapAligned(size_t size, size_t alignment) {
  char* p = static_cast<char*>(
      mmap(nullptr, size + alignment, PROT_READ | PROT_WRITE,
           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  if (p == MAP_FAILED) DieOfMemory("goroutine descriptors");
  char* aligned = reinterpret_cast<char*>(
      (reinterpret_cast<uintptr_t>(p) + alignment - 1) & ~(alignment - 1));
  if (aligned != p) munmap(p, aligned - p);
  munmap(aligned + size, p + alignment - aligned);
  return aligned;
}

// Go: p.goidcache, 16 at a time.
int64_t NextGoid(P* p) {
  if (p->goid_next == p->goid_end) {
    constexpr int kBatch = 16;
    // relaxed: only uniqueness matters.
    p->goid_next =
        p->sched->goid_gen.fetch_add(kBatch, std::memory_order_relaxed) + 1;
    p->goid_end = p->goid_next + kBatch;
  }
  return p->goid_next++;
}

// The M of this thread, if it has a P of `s`, or null.
M* CurrentMOf(Sched* s) {
  M* m = CurrentM();
  return m != nullptr && m->sched == s && m->p.Get() != nullptr ? m : nullptr;
}

// What a goroutine that has something out of the ordinary passes on to its child.
ABSL_ATTRIBUTE_NOINLINE void Inherit(const G* parent, G* child) {
  if (Bubble* bubble = BubbleOf(parent)) bubble->Adopt(child);
  if (!parent->extra->labels.Empty()) {
    ExtraOf(child)->labels = parent->extra->labels;
  }
}

}  // namespace

// Hands out kGBlock fresh descriptors. Go: malg and allgadd.
G* Sched::NewGBlock() {
  RuntimeLockGuard guard(mu);
  if (g_map_next == g_map_end) {
    const size_t size = g_maps.size() < 8 ? kFirstMap : kLargeMap;
    void* map = MapAligned(size, size < kLargeMap ? 4096 : size_t{2} << 20);
    if (size == kLargeMap) madvise(map, size, MADV_HUGEPAGE);
    g_maps.emplace_back(map, size);
    g_map_next = static_cast<G*>(map);
    g_map_end = g_map_next + size / sizeof(G) / kGBlock * kGBlock;
  }
  G* block = g_map_next;
  g_map_next += kGBlock;
  // All of them now: ForEachG may look at them as soon as the block is listed.
  for (G* g = block; g != block + kGBlock; ++g) {
    new (g) G(&kGoroutineOps);
    g->sched = this;
    SetGStatus(g, GStatus::kIdle, GStatus::kDead);
  }
  g_blocks.push_back(block);
  return block;
}

G* Sched::NewG(P* p) {
  G* g = p->gfree.Get();
  if (ABSL_PREDICT_FALSE(g == nullptr)) {
    if (p->g_bump == p->g_bump_end) {
      p->g_bump = NewGBlock();
      p->g_bump_end = p->g_bump + kGBlock;
    }
    g = p->g_bump++;
  }
  SetGStatus(g, GStatus::kDead, GStatus::kIdle);
  p->created.Add(1);
  g->goid = NextGoid(p);
  return g;
}

G* Sched::NewForeignG() {
  RuntimeLockGuard guard(foreign_mu);
  return NewG(&foreign_p);
}

void Sched::FreeG(P* p, G* g) {
  if (ABSL_PREDICT_FALSE(g->extra != nullptr)) {
    delete g->extra;
    g->extra = nullptr;
  }
  g->flags = 0;
  g->calls_lost = 0;
  p->gfree.Put(g);
  p->ended.Add(1);
}

void Sched::TakeStack(P* p, G* g) {
  absl::Status why;
  if (ABSL_PREDICT_FALSE((g->flags & kGFlagOwnStackSize) != 0)) {
    OwnSizeStacks* own = g->extra->stacks;
    RuntimeLockGuard guard(own->mu);
    g->stack = own->cache.Take(&why);
  } else {
    g->stack = p->stacks.Take(&why);
  }
  if (!g->stack) {
    PrintError(absl::StrCat("runtime: cannot get a stack for goroutine ",
                            g->goid, ": ", why.ToString(), "\n"));
    FatalError("runtime: out of memory");
  }
}

void Sched::FreeStack(P* p, G* g) {
  const Stack stack = std::exchange(g->stack, Stack());
  if (ABSL_PREDICT_FALSE((g->flags & kGFlagOwnStackSize) != 0)) {
    OwnSizeStacks* own = g->extra->stacks;
    RuntimeLockGuard guard(own->mu);
    own->cache.Give(stack, /*deep=*/true);
  } else {
    p->stacks.Give(stack, g->deep);
  }
  g->deep = false;
}

OwnSizeStacks* Sched::StacksOfSize(size_t size) {
  RuntimeLockGuard guard(mu);
  // The pool rounds up; sizes that round to the same share one by chance only.
  std::unique_ptr<OwnSizeStacks>& own = own_size_stacks[size];
  if (own == nullptr) own = std::make_unique<OwnSizeStacks>(size);
  return own.get();
}

StackPool* Sched::PoolOf(const G* g) {
  return (g->flags & kGFlagOwnStackSize) != 0 ? &g->extra->stacks->pool
                                              : &stacks;
}

void Sched::Inject(G* g) {
  BecomesRunnableGlobally(g);
  runq.Put(g);  // S1 of the protocol in sched.h
  WakeP();      // S2
}

int64_t Sched::LiveGoroutines() const {
  // Deaths first: whoever was born before a death counted here is counted
  // below, so the sum is never too small, and 0 means that at the moment of
  // the last `ended` read no goroutine lived.
  for (;;) {
    int64_t live = 0;
    const int n = allp_used.load();
    for (int i = 0; i < n; ++i) live -= allp[i]->ended.Get();
    live -= foreign_p.ended.Get();
    for (int i = 0; i < n; ++i) live += allp[i]->created.Get();
    live += foreign_p.created.Get();
    // A birth on a P that came meanwhile would be missing.
    if (allp_used.load() == n) return live;
  }
}

void Sched::ForEachG(absl::FunctionRef<void(G*)> fn) {
  std::vector<G*> blocks;
  {
    RuntimeLockGuard guard(mu);
    blocks = g_blocks;
  }
  ForEachIn(blocks, fn);
}

void Sched::ForEachGRacy(absl::FunctionRef<void(G*)> fn)
    ABSL_NO_THREAD_SAFETY_ANALYSIS {
  // Whoever dies may hold the lock.
  bool locked = false;
  for (int i = 0; i < 100 && !locked; ++i) {
    locked = mu.TryLock();
    if (!locked) usleep(100);
  }
  ForEachIn(g_blocks, fn);
  if (locked) mu.Unlock();
}

void Sched::ForEachIn(const std::vector<G*>& blocks,
                      absl::FunctionRef<void(G*)> fn) {
  for (G* block : blocks) {
    for (int i = 0; i < kGBlock; ++i) {
      fn(&block[i]);
    }
  }
}

ClosureSlot* BeginSpawn(Sched* s) {
  M* m = CurrentMOf(s);
  if (ABSL_PREDICT_FALSE(m == nullptr)) return &s->NewForeignG()->fn;
  UsingP using_p(m);
  return &s->NewG(m->p)->fn;
}

void CommitSpawn(ClosureSlot* slot, const void* pc) {
  G* g = GOf(slot);
  Sched* s = g->sched;
  g->gopc = pc;
  g->saved_errno = 0;
  g->site = nullptr;
  M* m = CurrentMOf(s);
  if (ABSL_PREDICT_FALSE(m == nullptr)) {
    ForeignCall call(s);
    g->parent_goid = 0;
    SetGStatus(g, GStatus::kIdle, GStatus::kRunnable);
    s->Inject(g);
    return;
  }
  g->parent_goid = m->curg->goid;
  if (ABSL_PREDICT_FALSE(m->curg->extra != nullptr)) Inherit(m->curg, g);
  {
    UsingP using_p(m);
    SetGStatus(g, GStatus::kIdle, GStatus::kRunnable);
    if (Traced(m)) TraceGoCreate(m, g, __builtin_frame_address(0));
    PutReady(m->p, g);
  }
  PreemptPoint(m->curg);
}

void CancelSpawn(ClosureSlot* slot) {
  G* g = GOf(slot);
  Sched* s = g->sched;
  SetGStatus(g, GStatus::kIdle, GStatus::kDead);
  if (M* m = CurrentMOf(s)) {
    UsingP using_p(m);
    s->FreeG(m->p, g);
  } else {
    RuntimeLockGuard guard(s->foreign_mu);
    s->FreeG(&s->foreign_p, g);
  }
}

void SetSpawnOptions(ClosureSlot* slot, const std::string& name,
                     size_t stack_size) {
  G* g = GOf(slot);
  if (name.empty() && stack_size == 0) return;
  g->extra = new GExtra;
  g->extra->name = name;
  if (stack_size != 0) {
    g->extra->stacks = g->sched->StacksOfSize(stack_size);
    g->flags |= kGFlagOwnStackSize;
  }
}

Sched* CurrentSchedOrPanic() {
  if (G* g = CurrentOrCallingG()) return g->sched;
  throw Panic(
      "mpg: called on a thread that runs no goroutine; "
      "use Runtime::Go or Runtime::Run");
}

}  // namespace internal
}  // namespace mpg
