// The C++ exception state of a thread, which must follow the flow of control
// that it belongs to when stacks are switched: the chain of exceptions that are
// being handled (what `throw;` rethrows) and the number that are in flight
// (what std::uncaught_exceptions counts).
//
//   EhState* const thread = ThreadEhState();   // once a thread
//   SwitchEhState(thread, &me->eh, &next->eh);
//   SwitchContext(&me->ctx, &next->ctx);
//
// Whoever resumes on another thread hands in that thread's state, so the saved
// state never holds a thread's address.
#ifndef MPG_RUNTIME_SWITCH_EH_STATE_H_
#define MPG_RUNTIME_SWITCH_EH_STATE_H_

namespace mpg {
namespace internal {

// Itanium C++ ABI, section 2.2.2: __cxa_eh_globals. All zero: no exception.
struct EhState {
  void* caught = nullptr;
  unsigned uncaught = 0;
};

// The calling thread's state, good for the thread's life. Never inlined, and
// opaque to the optimizer, because the compiler may keep a thread-local's
// address across a switch.
EhState* ThreadEhState();

// Puts the thread's state away in *from, and *to in its place.
inline void SwitchEhState(EhState* thread, EhState* from, const EhState* to) {
  *from = *thread;
  *thread = *to;
}

}  // namespace internal
}  // namespace mpg

#endif  // MPG_RUNTIME_SWITCH_EH_STATE_H_
