#include "runtime/unwind.h"

#include <unwind.h>

#include "base/panic.h"
#include "runtime/sched.h"
#include "runtime/switch/fiber_san.h"

#if defined(MPG_ASAN)
extern "C" void __asan_handle_no_return();
#endif

namespace mpg {
namespace internal {
namespace {

// "MPG\0EXIT": not C++'s class, so a catch clause with a type never takes it.
constexpr _Unwind_Exception_Class kGoexitClass = 0x4d50470045584954;

// Allocated: the frame that starts the unwinding is itself abandoned by it.
struct Unwinding {
  _Unwind_Exception exception;
  G* g;
};

void Start(Unwinding* u);

_Unwind_Reason_Code Stop(int, _Unwind_Action actions, _Unwind_Exception_Class,
                         _Unwind_Exception* exception, _Unwind_Context*,
                         void* arg) {
  if ((actions & _UA_END_OF_STACK) == 0) return _URC_NO_REASON;
  Unwinding* u = static_cast<Unwinding*>(arg);
  G* g = u->g;
  delete u;
  (void)exception;
  EndGoroutineByUnwinding(g);
}

// A catch (...) block ended without rethrowing: the C++ runtime deletes what it
// caught. Go on unwinding from here, that is from that block's end.
void Swallowed(_Unwind_Reason_Code, _Unwind_Exception* exception) {
  Start(reinterpret_cast<Unwinding*>(exception));
}

void Start(Unwinding* u) {
#if defined(MPG_ASAN)
  // The frames that are skipped leave poisoned redzones; AddressSanitizer sees
  // to that when C++ throws, but does not know of forced unwinding.
  __asan_handle_no_return();
#endif
  u->exception = {};
  u->exception.exception_class = kGoexitClass;
  u->exception.exception_cleanup = Swallowed;
  const _Unwind_Reason_Code code = _Unwind_ForcedUnwind(&u->exception, Stop, u);
  PrintError(code == _URC_END_OF_STACK
                 ? "mpg: Goexit reached the end of the stack\n"
                 : "mpg: Goexit met a frame that cannot be unwound\n");
  FatalError("Goexit failed");
}

}  // namespace

bool IsUnwinding(const G* g) { return g->extra != nullptr && g->extra->goexit; }

void UnwindGoroutine(G* g) {
  ExtraOf(g)->goexit = true;
  Start(new Unwinding{{}, g});
  __builtin_unreachable();
}

}  // namespace internal
}  // namespace mpg
