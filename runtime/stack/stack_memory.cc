#include "runtime/stack/stack_memory.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cassert>
#include <cerrno>
#include <vector>

#include "runtime/switch/fiber_san.h"

namespace mpg {
namespace internal {
namespace {

// Newer than the headers of the systems this is built on.
constexpr int kMadvGuardInstall = 102;    // Linux 6.13
constexpr long kSysProcessMadvise = 440;  // Linux 5.10; the same everywhere
constexpr int kPidfdSelf = -10000;        // Linux 6.14: PIDFD_SELF_THREAD_GROUP

// Refusals that mean "this kernel or sandbox does not do that".
bool MeansUnsupported(int error) {
  return error == EINVAL || error == ENOSYS || error == EBADF ||
         error == EPERM || error == ESRCH || error == EOPNOTSUPP;
}

}  // namespace

void* StackSyscalls::Map(size_t size) {
  void* const p =
      mmap(nullptr, size, PROT_READ | PROT_WRITE,
           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  return p == MAP_FAILED ? nullptr : p;
}

int StackSyscalls::Unmap(void* base, size_t size) { return munmap(base, size); }

int StackSyscalls::Advise(void* base, size_t size, int advice) {
  return madvise(base, size, advice);
}

ssize_t StackSyscalls::AdviseMany(const iovec* ranges, int count, int advice) {
  return syscall(kSysProcessMadvise, kPidfdSelf, ranges, count, advice, 0);
}

int StackSyscalls::ProtectNone(void* base, size_t size) {
  return mprotect(base, size, PROT_NONE);
}

int StackSyscalls::ResidentPages(void* base, size_t size) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  std::vector<unsigned char> pages((size + page - 1) / page);
  if (mincore(base, size, pages.data()) != 0) return -1;
  int resident = 0;
  for (unsigned char p : pages) resident += p & 1;
  return resident;
}

StackMemory::StackMemory(StackSyscalls* syscalls)
    : syscalls_(syscalls != nullptr ? syscalls : [] {
        static StackSyscalls os;
        return &os;
      }()),
#if defined(MPG_ASAN)
      // LeakSanitizer reads whatever /proc/self/maps calls readable, and that
      // is where advised guards do not show.
      guard_way_(GuardWay::kProtect)
#else
      guard_way_(GuardWay::kAdvise)
#endif
{
}

char* StackMemory::Map(size_t size) {
  void* const p = syscalls_->Map(size);
  if (p == nullptr) return nullptr;
  // MAP_STACK says it since Linux 6.7. Fails where there are no huge pages.
  (void)syscalls_->Advise(p, size, MADV_NOHUGEPAGE);
  return static_cast<char*>(p);
}

void StackMemory::Unmap(char* base, size_t size) {
  (void)syscalls_->Unmap(base, size);
}

bool StackMemory::AdviseAll(const iovec* ranges, int count, int advice) {
  assert(count <= kMaxRanges);
  if (count == 0) return true;
  // relaxed: see guard_way_.
  if (count > 1 && advise_many_.load(std::memory_order_relaxed)) {
    size_t total = 0;
    for (int i = 0; i < count; ++i) total += ranges[i].iov_len;
    const ssize_t done = syscalls_->AdviseMany(ranges, count, advice);
    if (done >= 0 && static_cast<size_t>(done) == total) return true;
    if (done < 0 && MeansUnsupported(errno)) {
      advise_many_.store(false, std::memory_order_relaxed);
    }
  }
  // One by one, all of them: advising twice does no harm, and a failure then
  // has an errno.
  for (int i = 0; i < count; ++i) {
    if (syscalls_->Advise(ranges[i].iov_base, ranges[i].iov_len, advice) != 0) {
      return false;
    }
  }
  return true;
}

bool StackMemory::Guard(const iovec* ranges, int count) {
  if (!GuardsSplitMappings()) {
    if (AdviseAll(ranges, count, kMadvGuardInstall)) return true;
    if (!MeansUnsupported(errno)) return false;
    guard_way_.store(GuardWay::kProtect, std::memory_order_relaxed);
  }
  for (int i = 0; i < count; ++i) {
    if (syscalls_->ProtectNone(ranges[i].iov_base, ranges[i].iov_len) != 0) {
      return false;
    }
  }
  return true;
}

bool StackMemory::Discard(const iovec* ranges, int count) {
  return AdviseAll(ranges, count, MADV_DONTNEED);
}

bool StackMemory::AnyResident(char* base, size_t size) {
  return syscalls_->ResidentPages(base, size) > 0;
}

}  // namespace internal
}  // namespace mpg
