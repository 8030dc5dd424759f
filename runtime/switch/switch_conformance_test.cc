// What SwitchContext, MakeContext and EhState promise, checked by a program of
// its own: it needs nothing but a C++ library, so that it also runs under an
// emulator of a machine that no test library is installed for
// (switch_aarch64_test).
#include <cxxabi.h>
#include <unwind.h>

#include <cfenv>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "runtime/switch/eh_state.h"
#include "runtime/switch/fiber_san.h"
#include "runtime/switch/switch.h"

namespace mpg {
namespace internal {
namespace {

int failures = 0;

void Check(bool ok, const char* what, int line) {
  if (ok) return;
  std::fprintf(stderr, "line %d: FAILED: %s\n", line, what);
  ++failures;
}
#define CHECK_THAT(condition) Check((condition), #condition, __LINE__)

// A flow of control with a stack; the thread's own has none.
struct Fiber {
  explicit Fiber(size_t stack_size = 64 << 10) : memory(stack_size / 64) {}
  ~Fiber() { SanDestroyStack(&san_stack); }

  void Start(void (*f)(Fiber*)) {
    body = f;
    char* const lo = reinterpret_cast<char*>(memory.data());
    const size_t size = memory.size() * sizeof(Line);
    SanOnStackTaken(&san, &san_stack, lo, size);
    MakeContext(&ctx, lo + size, &Entry, this);
  }

  // Entered by the first switch; body does not return but by End.
  static void Entry(void* arg) {
    Fiber* const self = static_cast<Fiber*>(arg);
    SanAfterSwitch(&self->san);
    self->body(self);
    self->End();
  }

  void SwitchTo(Fiber* to) {
    SwitchEhState(ThreadEhState(), &eh, &to->eh);
    SanBeforeSwitch(&san, &to->san, false);
    SwitchContext(&ctx, &to->ctx);
    SanAfterSwitch(&san);
  }

  // Leaves for ever.
  void End() {
    done = true;
    SwitchEhState(ThreadEhState(), &eh, &back->eh);
    SanBeforeSwitch(&san, &back->san, true);
    SwitchContext(&ctx, &back->ctx);
  }

  struct alignas(64) Line {
    char bytes[64];
  };

  Context ctx;
  SanFiber san;
  SanStack san_stack{};
  EhState eh;
  std::vector<Line> memory;
  void (*body)(Fiber*) = nullptr;
  Fiber* back = nullptr;  // who started it
  void* arg = nullptr;
  bool done = false;
};

// The thread itself, for one test.
struct Main : Fiber {
  Main() : Fiber(0) { SanAdoptThread(&san); }

  void Run(Fiber* f, void (*body)(Fiber*), void* arg = nullptr) {
    f->back = this;
    f->arg = arg;
    f->Start(body);
    SwitchTo(f);
  }
};

[[gnu::noinline]] void ClobberRegisters() {
#if defined(__x86_64__)
  asm volatile(
      "movq $-1, %%rax\n\t movq %%rax, %%rbx\n\t movq %%rax, %%r12\n\t"
      "movq %%rax, %%r13\n\t movq %%rax, %%r14\n\t movq %%rax, %%r15\n\t"
      "movq %%rax, %%xmm0\n\t movq %%rax, %%xmm6\n\t movq %%rax, %%xmm15"
      :
      :
      : "rax", "rbx", "r12", "r13", "r14", "r15", "xmm0", "xmm6", "xmm15");
#else
  asm volatile(
      "mov x19, #-1\n\t mov x20, x19\n\t mov x21, x19\n\t mov x22, x19\n\t"
      "mov x23, x19\n\t mov x24, x19\n\t mov x25, x19\n\t mov x26, x19\n\t"
      "mov x27, x19\n\t mov x28, x19\n\t fmov d8, x19\n\t fmov d9, x19\n\t"
      "fmov d10, x19\n\t fmov d15, x19"
      :
      :
      : "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28",
        "v8", "v9", "v10", "v15");
#endif
}

// With more live values than callee-saved registers, and, without a sanitizer,
// nothing but the switch between their uses.
[[gnu::noinline]] double LiveAcross(Main* m, Fiber* f, uint64_t seed) {
  uint64_t a = seed, b = a * 3, c = b * 5, d = c * 7, e = d * 11, g = e * 13,
           h = g * 17, i = h * 19;
  double w = static_cast<double>(seed), x = w / 2, y = x / 2, z = y / 2;
  for (int k = 0; k < 1000; ++k) {
    SanBeforeSwitch(&m->san, &f->san, false);
    SwitchContext(&m->ctx, &f->ctx);
    SanAfterSwitch(&m->san);
    a += b, b ^= c, c += d, d ^= e, e += g, g ^= h, h += i, i ^= a;
    w += x, x -= y, y += z, z -= w;
    w /= 3, x /= 3, y /= 3, z /= 3, w += 1;
  }
  return static_cast<double>((a ^ b ^ c ^ d ^ e ^ g ^ h ^ i) % 1000003) + w +
         x + y + z;
}

[[gnu::noinline]] double LiveAlone(uint64_t seed) {
  uint64_t a = seed, b = a * 3, c = b * 5, d = c * 7, e = d * 11, g = e * 13,
           h = g * 17, i = h * 19;
  double w = static_cast<double>(seed), x = w / 2, y = x / 2, z = y / 2;
  for (int k = 0; k < 1000; ++k) {
    a += b, b ^= c, c += d, d ^= e, e += g, g ^= h, h += i, i ^= a;
    w += x, x -= y, y += z, z -= w;
    w /= 3, x /= 3, y /= 3, z /= 3, w += 1;
  }
  return static_cast<double>((a ^ b ^ c ^ d ^ e ^ g ^ h ^ i) % 1000003) + w +
         x + y + z;
}

bool SameBits(double a, double b) { return std::memcmp(&a, &b, sizeof a) == 0; }

void RegistersSurvive() {
  Main m;
  Fiber f;
  m.Run(&f, [](Fiber* self) {
    for (;;) {
      ClobberRegisters();
      self->SwitchTo(self->back);
    }
  });
  CHECK_THAT(SameBits(LiveAcross(&m, &f, 12345), LiveAlone(12345)));
}

void EntryGetsItsArgumentOnAnAlignedStack() {
  Main m;
  Fiber f;
  int value = 0;
  m.Run(
      &f,
      [](Fiber* self) {
        const auto frame =
            reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
        alignas(64) volatile char aligned[64];
        aligned[0] = 1;
        *static_cast<int*>(self->arg) =
            frame % 16 == 0 && reinterpret_cast<uintptr_t>(aligned) % 64 == 0
                ? 42
                : 13;
      },
      &value);
  CHECK_THAT(value == 42);
  CHECK_THAT(f.done);
}

void UnalignedTopIsAlignedDown() {
  Context ctx;
  alignas(16) char memory[256];
  MakeContext(
      &ctx, memory + 250, [](void*) {}, nullptr);
  CHECK_THAT(reinterpret_cast<uintptr_t>(ctx.sp) % 16 == 0);
  CHECK_THAT(static_cast<char*>(ctx.sp) < memory + 240);
}

void SwitchToItselfReturns() {
  Context self;
  volatile int n = 0;
  for (int i = 0; i < 3; ++i) {
    SwitchContext(&self, &self);
    ++n;
  }
  CHECK_THAT(n == 3);
}

struct RingNode {
  std::unique_ptr<Fiber> fiber;
  RingNode* next = nullptr;
  Main* main = nullptr;
  uint64_t visits = 0;
};

void RingOverManyStacksKeepsOrder() {
  constexpr int kNodes = 500;
  Main m;
  std::vector<RingNode> nodes(kNodes);
  for (int i = 0; i < kNodes; ++i) {
    nodes[i].fiber = std::make_unique<Fiber>(16 << 10);
    nodes[i].next = &nodes[(i + 1) % kNodes];
    nodes[i].main = &m;
    nodes[i].fiber->back = &m;
    nodes[i].fiber->arg = &nodes[i];
    nodes[i].fiber->Start([](Fiber* self) {
      RingNode* const node = static_cast<RingNode*>(self->arg);
      for (uint64_t round = 1;; ++round) {
        node->visits = round;
        const bool last = node->next->fiber->arg == node->main->arg;
        self->SwitchTo(last ? static_cast<Fiber*>(node->main)
                            : node->next->fiber.get());
      }
    });
  }
  m.arg = &nodes[0];
  for (uint64_t round = 1; round <= 20; ++round) {
    m.SwitchTo(nodes[0].fiber.get());
    for (const RingNode& n : nodes) {
      if (n.visits != round) CHECK_THAT(n.visits == round);
    }
  }
}

void ExceptionIsCaughtOnTheFiber() {
  Main m;
  Fiber f;
  std::string caught;
  m.Run(
      &f,
      [](Fiber* self) {
        try {
          std::vector<int>().at(7);
        } catch (const std::out_of_range&) {
          *static_cast<std::string*>(self->arg) = "out_of_range";
        }
      },
      &caught);
  CHECK_THAT(caught == "out_of_range");
}

// Catches "<name>" and switches away inside the handler, where a rethrow and
// current_exception must still mean its own exception.
void CatchAndYield(Fiber* self) {
  const std::string name = static_cast<const char*>(self->arg);
  for (int i = 0; i < 10; ++i) {
    try {
      try {
        throw std::runtime_error(name);
      } catch (const std::exception&) {
        self->SwitchTo(self->back);
        CHECK_THAT(std::current_exception() != nullptr);
        throw;
      }
    } catch (const std::runtime_error& e) {
      CHECK_THAT(e.what() == name);
    }
    CHECK_THAT(std::current_exception() == nullptr);
  }
}

void HandlersOnTwoFibersInterleave() {
  Main m;
  Fiber a, b;
  char name_a[] = "a", name_b[] = "b";
  m.Run(&a, CatchAndYield, name_a);
  m.Run(&b, CatchAndYield, name_b);
  CHECK_THAT(std::current_exception() == nullptr);
  while (!a.done || !b.done) {
    if (!a.done) m.SwitchTo(&a);
    CHECK_THAT(std::current_exception() == nullptr);
    if (!b.done) m.SwitchTo(&b);
  }
}

struct YieldWhenDestroyed {
  Fiber* self;
  ~YieldWhenDestroyed() {
    CHECK_THAT(std::uncaught_exceptions() == 1);
    self->SwitchTo(self->back);
    CHECK_THAT(std::uncaught_exceptions() == 1);
  }
};

void UncaughtCountFollowsTheFiber() {
  Main m;
  Fiber f;
  m.Run(&f, [](Fiber* self) {
    try {
      YieldWhenDestroyed yield{self};
      throw 1;
    } catch (int) {
      CHECK_THAT(std::uncaught_exceptions() == 0);
    }
  });
  CHECK_THAT(!f.done);
  CHECK_THAT(std::uncaught_exceptions() == 0);
  m.SwitchTo(&f);
  CHECK_THAT(f.done);
}

struct Walk {
  std::vector<uintptr_t> functions;
};

_Unwind_Reason_Code OnFrame(_Unwind_Context* context, void* arg) {
  Walk* const walk = static_cast<Walk*>(arg);
  walk->functions.push_back(
      reinterpret_cast<uintptr_t>(_Unwind_GetRegionStart(context)));
  return walk->functions.size() > 100 ? _URC_NORMAL_STOP : _URC_NO_REASON;
}

[[gnu::noinline]] void WalkDeep(int depth, Walk* walk) {
  if (depth == 0) {
    CHECK_THAT(_Unwind_Backtrace(OnFrame, walk) == _URC_END_OF_STACK);
    return;
  }
  WalkDeep(depth - 1, walk);
  asm volatile("");  // no tail call
}

void BacktraceEndsAtTheStart() {
  Main m;
  Fiber f;
  Walk walk;
  m.Run(
      &f, [](Fiber* self) { WalkDeep(5, static_cast<Walk*>(self->arg)); },
      &walk);
  // WalkDeep six times, the body, Entry, mpg_context_start.
  CHECK_THAT(walk.functions.size() >= 8 && walk.functions.size() < 20);
  CHECK_THAT(!walk.functions.empty() &&
             walk.functions.back() ==
                 reinterpret_cast<uintptr_t>(&mpg_context_start));
}

void RoundingModeStaysWithTheThread() {
  Main m;
  Fiber f;
  m.Run(&f, [](Fiber* self) {
    std::fesetround(FE_UPWARD);
    self->SwitchTo(self->back);
  });
  CHECK_THAT(std::fegetround() == FE_UPWARD);
  std::fesetround(FE_TONEAREST);
}

// A stack that serves many fibers, each of which leaves frames behind.
[[gnu::noinline]] void EndFromWithin(Fiber* self, int depth) {
  volatile char frame[256];
  frame[0] = static_cast<char>(depth);
  if (depth == 0) {
    self->End();
  } else {
    EndFromWithin(self, depth - 1);
  }
  frame[1] = frame[0];
}

void StackServesManyFibersOneAfterAnother() {
  Main m;
  Fiber f;
  for (int i = 0; i < 5000; ++i) {
    SanOnStackGiven(f.memory.data(), f.memory.size() * 64);
    f.done = false;
    m.Run(&f, [](Fiber* self) { EndFromWithin(self, 20); });
    CHECK_THAT(f.done);
  }
}

}  // namespace
}  // namespace internal
}  // namespace mpg

int main() {
  using namespace mpg::internal;  // NOLINT
  RegistersSurvive();
  EntryGetsItsArgumentOnAnAlignedStack();
  UnalignedTopIsAlignedDown();
  SwitchToItselfReturns();
  RingOverManyStacksKeepsOrder();
  ExceptionIsCaughtOnTheFiber();
  HandlersOnTwoFibersInterleave();
  UncaughtCountFollowsTheFiber();
  BacktraceEndsAtTheStart();
  RoundingModeStaysWithTheThread();
  StackServesManyFibersOneAfterAnother();
  if (failures == 0) std::puts("all passed");
  return failures == 0 ? 0 : 1;
}
