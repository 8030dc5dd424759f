// The signal that preempts comes in the midst of a switch: the processor has the next
// goroutine's stack, and is about to jump to where that goes on.
//
// A breakpoint stands at the jump of every switch in the program.
#include <elf.h>
#include <link.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <vector>

#include "absl/time/time.h"
#include "channel/chan.h"
#include "gtest/gtest.h"
#include "runtime/goroutine.h"
#include "runtime/options.h"
#include "runtime/preempt.h"
#include "runtime/runtime.h"
#include "runtime/sched.h"
#include "runtime/test_util.h"
#include "runtime/time.h"
#include "sync/wait_group.h"

#if defined(__x86_64__)

namespace mpg {
namespace {

// movq 0(%rsi), %rsp; movq 8(%rsi), %rbp; jmpq *16(%rsi)
constexpr uint8_t kSwitch[] = {0x48, 0x8b, 0x26, 0x48, 0x8b,
                               0x6e, 0x08, 0xff, 0x66, 0x10};
constexpr size_t kJump = 7;  // where the jump begins
constexpr uint8_t kBreakpoint = 0xcc;

std::vector<uint8_t*>* Jumps() {
  static auto* const jumps = new std::vector<uint8_t*>;
  return jumps;
}

// The code that has been loaded.
int FindJumps(dl_phdr_info* info, size_t, void*) {
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& part = info->dlpi_phdr[i];
    if (part.p_type != PT_LOAD || (part.p_flags & PF_X) == 0) continue;
    auto* at = reinterpret_cast<uint8_t*>(info->dlpi_addr + part.p_vaddr);
    uint8_t* const end = at + part.p_memsz;
    while ((at = static_cast<uint8_t*>(memmem(at, static_cast<size_t>(end - at),
                                              kSwitch, sizeof kSwitch))) !=
           nullptr) {
      Jumps()->push_back(at + kJump);
      at += sizeof kSwitch;
    }
  }
  return 0;
}

void Write(uint8_t* at, uint8_t byte) {
  const uintptr_t page = reinterpret_cast<uintptr_t>(at) & ~uintptr_t{4095};
  void* const start = reinterpret_cast<void*>(page);
  ASSERT_EQ(mprotect(start, 4096, PROT_READ | PROT_WRITE | PROT_EXEC), 0);
  *at = byte;
  ASSERT_EQ(mprotect(start, 4096, PROT_READ | PROT_EXEC), 0);
}

std::atomic<int> asked{0};

// At a jump. First does what sysmon does to a P whose time is over: SIGURG, blocked here,
// comes before the jump. The second time it jumps.
void OnBreakpoint(int, siginfo_t*, void* context) {
  thread_local bool second = false;
  auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  second = !second;
  if (!second) {
    registers[REG_RIP] = reinterpret_cast<greg_t*>(registers[REG_RSI])[2];
    return;
  }
  --registers[REG_RIP];  // the breakpoint's one byte
  internal::M* const m = internal::CurrentM();
  if (internal::G* const g = m->curg.Get()) g->preempt = true;
  internal::SendPreemptSignal(m);
  ++asked;
}

class PreemptSwitchTest : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    ASSERT_EQ(sizeof(internal::Context), 24u);
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = OnBreakpoint;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigaddset(&action.sa_mask, SIGURG);
    ASSERT_EQ(sigaction(SIGTRAP, &action, &old_), 0);
    Jumps()->clear();
    dl_iterate_phdr(FindJumps, nullptr);
    ASSERT_GE(Jumps()->size(), 2u);
  }
  void TearDown() override { sigaction(SIGTRAP, &old_, nullptr); }

  struct sigaction old_;
};

TEST_P(PreemptSwitchTest, ComesToNoHarm) {
  internal::RunWith(GetParam(), [] {
    WaitGroup wg;
    // The handler wakes threads, but starts none.
    for (int i = 0; i < 4; ++i) {
      wg.Go([] { Syscall([] { usleep(20'000); }); });
    }
    wg.Wait();
    for (uint8_t* jump : *Jumps()) Write(jump, kBreakpoint);
    const int before = asked;
    const auto c = MakeChan<int>();
    int sum = 0;
    for (int i = 0; i < 3; ++i) {
      wg.Go([c] {
        for (int k = 0; k < 100; ++k) {
          c.Send(1);
          Gosched();
          if (k % 10 == 0) Sleep(absl::Microseconds(50));
          Go([] { Gosched(); });
        }
      });
    }
    for (int i = 0; i < 300; ++i) sum += *c.Recv();
    wg.Wait();
    for (uint8_t* jump : *Jumps()) Write(jump, kSwitch[kJump]);
    EXPECT_EQ(sum, 300);
    EXPECT_GT(asked - before, 300);
  });
}

INSTANTIATE_TEST_SUITE_P(Procs, PreemptSwitchTest, testing::Values(1, 2, 4));

}  // namespace
}  // namespace mpg

#endif
