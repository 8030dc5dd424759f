// Which of the C library's functions a signal has interrupted.
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <unwind.h>

#include <cstdint>

#include "runtime/preempt.h"

namespace mpg {
namespace internal {
namespace {

struct Range {
  uintptr_t begin = 0;
  uintptr_t end = 0;
  bool Has(uintptr_t pc) const { return pc - begin < end - begin; }
};

// What the scheduler calls, or is called within its calls, and locks.
constexpr const char* kNames[] = {
    "malloc",
    "free",
    "calloc",
    "realloc",
    "reallocarray",
    "memalign",
    "aligned_alloc",
    "posix_memalign",
    "valloc",
    "pvalloc",
    "malloc_trim",
    "mallinfo2",
    "mallopt",
    "pthread_create",
    "pthread_join",
    "pthread_exit",
    "dlopen",
    "dlclose",
    "dlsym",
    "dl_iterate_phdr",
    "_Znwm",
    "_ZdlPv",
    "_ZdlPvm",
    "_ZnwmSt11align_val_t",
    "_ZdlPvSt11align_val_t",
};
constexpr int kNumNames = sizeof kNames / sizeof kNames[0];

// Written once, before the handler is installed.
Range functions[kNumNames];
// All of the allocator's library, if it is neither the C library nor part of the
// program: its functions may have left no frame of their own.
Range allocator;

// Frames from the interrupted one outwards that are looked at. An allocator is
// not deeper than that.
constexpr int kFrames = 16;

Range RangeOf(const char* name) {
  Range range;
  void* const address = dlsym(RTLD_DEFAULT, name);
  if (address == nullptr) return range;
  Dl_info info;
  const ElfW(Sym)* symbol = nullptr;
  range.begin = reinterpret_cast<uintptr_t>(address);
  range.end = range.begin + 1;
  if (dladdr1(address, &info,
              const_cast<void**>(reinterpret_cast<const void**>(&symbol)),
              RTLD_DL_SYMENT) != 0 &&
      symbol != nullptr) {
    range.end = range.begin + symbol->st_size;
  }
  return range;
}

struct Module {
  uintptr_t pc;
  Range text;
};

int FindModule(dl_phdr_info* info, size_t, void* arg) {
  auto* module = static_cast<Module*>(arg);
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& segment = info->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_X) == 0) continue;
    Range text;
    text.begin = info->dlpi_addr + segment.p_vaddr;
    text.end = text.begin + segment.p_memsz;
    if (text.Has(module->pc)) {
      module->text = text;
      return 1;
    }
  }
  return 0;
}

Range ModuleOf(const void* address) {
  Module module{reinterpret_cast<uintptr_t>(address), {}};
  dl_iterate_phdr(FindModule, &module);
  return module.text;
}

bool IsLocking(uintptr_t pc) {
  if (allocator.Has(pc)) return true;
  for (const Range& f : functions) {
    if (f.Has(pc)) return true;
  }
  return false;
}

struct Walk {
  int frames = 0;  // since the signal frame; -1 before it
  bool seen_signal = false;
  bool found = false;
};

_Unwind_Reason_Code Look(_Unwind_Context* context, void* arg) {
  auto* walk = static_cast<Walk*>(arg);
  // Set for the frame that was interrupted: its pc is not a return address.
  int before = 0;
  const uintptr_t pc = _Unwind_GetIPInfo(context, &before);
  if (before != 0) walk->seen_signal = true;
  if (!walk->seen_signal) return _URC_NO_REASON;
  if (IsLocking(before != 0 ? pc : pc - 1)) walk->found = true;
  return walk->found || ++walk->frames == kFrames ? _URC_END_OF_STACK
                                                  : _URC_NO_REASON;
}

}  // namespace

void FindLockingFunctions() {
  for (int i = 0; i < kNumNames; ++i) functions[i] = RangeOf(kNames[i]);
  const void* const malloc_address = dlsym(RTLD_DEFAULT, "malloc");
  const Range home = ModuleOf(malloc_address);
  const bool in_libc = home.Has(
      reinterpret_cast<uintptr_t>(dlsym(RTLD_DEFAULT, "gnu_get_libc_version")));
  const bool in_program =
      home.Has(reinterpret_cast<uintptr_t>(&FindLockingFunctions));
  // A sanitizer's library intercepts all sorts of calls.
  const bool in_sanitizer =
      dlsym(RTLD_DEFAULT, "__sanitizer_print_stack_trace");
  if (!in_libc && !in_program && !in_sanitizer) allocator = home;
}

bool HoldsLibraryLock() {
  Walk walk;
  _Unwind_Backtrace(Look, &walk);
  // An unwinder that did not get to the signal frame tells us nothing.
  return walk.found || !walk.seen_signal;
}

}  // namespace internal
}  // namespace mpg
