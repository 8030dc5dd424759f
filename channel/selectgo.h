// SelectGo: the untyped core of Select. Users want select.h. Go: selectgo
// (select.go).
//
// Protocol. Each step is right on its own; together they choose uniformly among
// the ready cases and miss no wake-up.
//  1. Look at every channel without a lock. Of the cases that may be ready, try
//     one at random, under its channel's lock only, until one succeeds.
//  2. Lock all channels, in the order of their addresses and each once, so that
//     two Selects cannot deadlock. Look again, at what is now one moment:
//     choose at random among the ready cases. If there is none and the Select
//     has a default, that is chosen. (Step 1 does not suffice for that: it
//     looks at different moments, between which one case might become ready and
//     another stop being so.)
//  3. Still under all locks, queue one Sudog for each case, and park. The locks
//     are released once the waiter has left its stack.
//  4. The first waker to win Waiter::select_done hands its value over and
//     readies the waiter; to any other, the Select's Sudogs count for nothing.
//  5. Awake, take the Sudogs that did not win off their queues, each under its
//     channel's lock, the winner's being off already. Then nobody can find this
//     waiter any more, and select_done is reset.
//
// Differs from Go, where step 1 does not exist, and step 5 locks all channels
// again.
#ifndef MPG_CHANNEL_SELECTGO_H_
#define MPG_CHANNEL_SELECTGO_H_

#include "channel/chan_env.h"
#include "channel/sudog.h"

namespace mpg {
namespace internal {

struct SelectResult {
  int index;  // of the case that was chosen; -1: the default
  bool ok;    // false: because its channel is closed
};

// Each of the n cases has chan (null: never ready), elem (see elem_type.h) and
// is_send set; the rest of the Sudog belongs to SelectGo. `order` has room for
// n. If nothing is ready: parks if `block`, else returns the default. Throws
// what moving the chosen case's value throws; then nothing has happened. A
// closed channel to send on is reported, not thrown.
template <class Env>
SelectResult SelectGo(BasicSudog<Env>* cases, int* order, int n, bool block);

// Defined in selectgo_ops.h.
extern template SelectResult SelectGo(Sudog* cases, int* order, int n,
                                      bool block);

}  // namespace internal
}  // namespace mpg

#endif  // MPG_CHANNEL_SELECTGO_H_
