/* A select that is parked on two channels, for spin: everyone who can wake it,
 * and its own way out of the queues of the channels that did not win, in every
 * interleaving of their steps.
 *
 * A goroutine receives by select from unbuffered channels 0 and 1, ROUNDS times.
 * SEND0 and SEND1 others send to the one and the other; SELSEND selects send to
 * either; RECV others receive from channel 0; with CLOSE=1, 2 or 3 others close
 * channel 0, 1 or both. SAME=1: both cases have channel 0. ABANDON=1: at any
 * moment at which the first select is parked or readied, its Runtime ends.
 *
 * Holds: who is readied is parked, thus once for each Park, and not abandoned; a
 * value that was sent is received once, and no other is; nobody touches a sudog,
 * or the frame of a Select, after its owner has returned or been abandoned; in
 * the end only those stand in a queue who are parked, no sender faces a receiver,
 * and nobody is parked on a closed channel.
 *
 *   here            in the code (channel/, but where said)
 *   Unlink,         sudog.h WaitQueue, with its links; Win is a step of its own,
 *   Dequeue, ...    the rest of the queue is only touched under the lock
 *   SendStep,       hchan_ops.h ChanSteps: HandOver, Finish; no buffer
 *   RecvStep
 *   Sender, Recver  hchan_ops.h Send, Recv, ParkOn
 *   Closer          hchan_ops.h Close, ReadyAll
 *   Select          selectgo_ops.h SelectGo: step 2, ParkInAll, DequeueLosers
 *   Committer       selectgo_ops.h CommitSelect, UnlockAll, which another M runs
 *                   while the select may be awake already
 *   Ready           runtime/park.cc GoroutineReady: kWaiting to kRunnable
 *   Abandoner       runtime/life.cc AbandonAll; selectgo_ops.h AbandonSelect,
 *                   ForgetSelect; hchan_ops.h Abandon
 *
 * Left out: step 1 of Select and all looks without a lock (chan_model_test.cc has
 * them, with stale reads; memory is sequentially consistent here); buffers, and
 * element moves that throw; TakeAll's short way without selects; the freeing of
 * a channel.
 *
 * BROKEN=1: who wins select_done loads and stores it.
 * BROKEN=2: the losers are left in their queues.
 * BROKEN=3: CommitSelect looks at the frame after the last unlock.
 * BROKEN=4: the locks are released before the select is parked.
 * BROKEN=5: select_done is reset before the losers are off.
 * BROKEN=6: AbandonSelect does not claim select_done.
 * BROKEN=7: a readied select is not made to forget its channels.
 * BROKEN=8: a sudog is taken off though Close has taken the queue.
 */
#ifndef ROUNDS
#define ROUNDS 2
#endif
#ifndef SEND0
#define SEND0 0
#endif
#ifndef SEND1
#define SEND1 0
#endif
#ifndef SELSEND
#define SELSEND 0
#endif
#ifndef RECV
#define RECV 0
#endif
#ifndef CLOSE
#define CLOSE 0
#endif
#ifndef SAME
#define SAME 0
#endif
#ifndef ABANDON
#define ABANDON 0
#endif
#ifndef BROKEN
#define BROKEN 0
#endif

/* Waiters: the selects first. Waiter w has the sudogs 2w and 2w + 1. */
#define SELECTS (1 + SELSEND)
#define NW (SELECTS + SEND0 + SEND1 + RECV)
#define NS (2 * NW)
#define NIL NS

#define RUNNING 0
#define WAITING 1
#define RUNNABLE 2

/* Outcomes. */
#define DONE 1
#define CLOSED 2

#define RECVQ(c) (2 * (c))
#define SENDQ(c) (2 * (c) + 1)
#define CHAN(i) (SAME -> 0 : (i))

bool lock[2];
bool closed[2];
byte first[4] = NIL;
byte last[4] = NIL;

byte next[NS] = NIL;
byte prev[NS] = NIL;
byte queue_of[NS];
byte elem[NS];
byte outcome[NS];
bool alive[NS];

byte status[NW];
byte param[NW];
bool select_done[NW];
byte frame[SELECTS];   /* which call of SelectGo it belongs to */
bool commit[SELECTS];  /* parked, its locks to be released */
bool committing = false;
bool stopping = false; /* the first select never runs again */
bool abandoned = false;

/* A value is its sender's number as a waiter. */
bool sent[NW];
bool delivered[NW];
bool received[NW];

inline Lock(c) { atomic { !lock[c] -> lock[c] = true } }
inline Unlock(c) { lock[c] = false }

inline Ready(w) {
  d_step {
    assert(status[w] == WAITING && !(abandoned && w == 0));
    status[w] = RUNNABLE
  }
}

inline Enqueue(q, s) {
  d_step {
    alive[s] = true;
    queue_of[s] = q;
    next[s] = NIL;
    prev[s] = last[q];
    if
    :: last[q] == NIL -> first[q] = s
    :: else -> assert(alive[last[q]]); next[last[q]] = s
    fi;
    last[q] = s
  }
}

/* Within a d_step. */
inline Unlink(q, s) {
  assert(alive[s]);
  if
  :: prev[s] == NIL -> first[q] = next[s]
  :: else -> assert(alive[prev[s]]); next[prev[s]] = next[s]
  fi;
  if
  :: next[s] == NIL -> last[q] = prev[s]
  :: else -> assert(alive[next[s]]); prev[next[s]] = prev[s]
  fi;
  next[s] = NIL;
  prev[s] = NIL
}

#define IS_SELECT(s) ((s) / 2 < SELECTS)

/* won = is the waiter of s to be had. */
inline Win(s) {
#if BROKEN == 1
  won = !select_done[s / 2];
  if
  :: won -> select_done[s / 2] = true
  :: else
  fi
#else
  d_step {
    assert(alive[s]);
    won = !select_done[s / 2];
    select_done[s / 2] = true
  }
#endif
}

/* sg = the first in queue q to be had, or NIL. */
inline Dequeue(q) {
  do
  :: d_step {
       sg = first[q];
       if
       :: sg != NIL -> Unlink(q, sg)
       :: else
       fi
     };
     if
     :: sg == NIL -> break
     :: sg != NIL && !IS_SELECT(sg) -> break
     :: else ->
        Win(sg);
        if
        :: won -> won = false; break
        :: else
        fi
     fi
  od
}

/* wake = the waiter of sg, which gets an outcome. */
inline Finish(how) {
  d_step {
    assert(alive[sg]);
    outcome[sg] = how;
    wake = sg / 2;
    param[wake] = sg;
    sg = NIL
  }
}

inline Deliver(v) {
  d_step { assert(!delivered[v]); delivered[v] = true }
}

/* step = DONE, CLOSED, or 0: would block. */
inline SendStep(c, v) {
  if
  :: closed[c] -> step = CLOSED
  :: else ->
     Dequeue(RECVQ(c));
     if
     :: sg != NIL ->
        d_step { assert(alive[sg]); elem[sg] = v };
        Deliver(v);
        Finish(DONE);
        step = DONE
     :: else -> step = 0
     fi
  fi
}

/* Likewise; v = the value. */
inline RecvStep(c) {
  Dequeue(SENDQ(c));
  if
  :: sg != NIL ->
     d_step { assert(alive[sg]); v = elem[sg] };
     Deliver(v);
     Finish(DONE);
     step = DONE
  :: sg == NIL && closed[c] -> step = CLOSED
  :: else -> step = 0
  fi
}

inline WakeIt() {
  if
  :: wake != NIL -> Ready(wake); wake = NIL
  :: else
  fi
}

inline Received(v) {
  d_step { assert(!received[v]); received[v] = true }
}

/* Takes s off the queue it is on. */
inline Remove(s) {
  Lock(queue_of[s] / 2);
  d_step {
    if
    :: closed[queue_of[s] / 2] && BROKEN != 8
    :: else ->
       if
       :: prev[s] == NIL && first[queue_of[s]] != s
       :: else -> Unlink(queue_of[s], s)
       fi
    fi
  };
  Unlock(queue_of[s] / 2)
}

/* Parks on the one sudog of a Send or Recv, and comes back. */
inline ParkOn(c, q) {
  Enqueue(q, 2 * w);
  status[w] = WAITING;
  Unlock(c);
end_parked:
  atomic { status[w] == RUNNABLE -> status[w] = RUNNING };
  d_step { step = outcome[2 * w]; alive[2 * w] = false; outcome[2 * w] = 0 }
}

proctype Sender(byte w; byte c) {
  byte sg = NIL, wake = NIL, step = 0;
  bool won = false;
  Lock(c);
  SendStep(c, w);
  if
  :: step != 0 -> Unlock(c); WakeIt()
  :: else -> elem[2 * w] = w; ParkOn(c, SENDQ(c))
  fi;
  sent[w] = step == DONE
}

proctype Recver(byte w; byte c) {
  byte sg = NIL, wake = NIL, step = 0, v = 0;
  bool won = false;
  Lock(c);
  RecvStep(c);
  if
  :: step != 0 -> Unlock(c); WakeIt()
  :: else -> ParkOn(c, RECVQ(c)); v = elem[2 * w]
  fi;
  if
  :: step == DONE -> Received(v)
  :: else
  fi
}

/* all = the sudogs of q that are to be had, chained. */
inline TakeAll(q, all) {
  sg = first[q];
  do
  :: sg == NIL -> break
  :: else ->
     d_step { assert(alive[sg]); after = next[sg] };
     if
     :: IS_SELECT(sg) ->
        Win(sg);
        if
        :: !won -> d_step { Unlink(q, sg) }
        :: else -> won = false
        fi
     :: else
     fi;
     d_step { sg = after; after = NIL }
  od;
  skip;
  d_step { all = first[q]; first[q] = NIL; last[q] = NIL }
}

inline ReadyAll(all) {
  sg = all;
  all = NIL;
  do
  :: sg == NIL -> break
  :: else ->
     d_step { assert(alive[sg]); after = next[sg] };
     Finish(CLOSED);
     WakeIt();
     d_step { sg = after; after = NIL }
  od
}

proctype Closer(byte c) {
  byte sg = NIL, wake = NIL, after = NIL, receivers = NIL, senders = NIL;
  bool won = false;
  Lock(c);
  closed[c] = true;
  TakeAll(RECVQ(c), receivers);
  TakeAll(SENDQ(c), senders);
  Unlock(c);
  ReadyAll(receivers);
  ReadyAll(senders)
}

#define OTHER (1 - i)
#define CASE(i) (2 * w + (i))
#define QUEUE(i) (2 * CHAN(i) + sends)

inline LockAll() {
  Lock(0);
  if
  :: !SAME -> Lock(1)
  :: else
  fi
}

inline UnlockAll() {
  Unlock(0);
  if
  :: !SAME -> Unlock(1)
  :: else
  fi
}

inline DequeueLosers(winner) {
#if BROKEN != 2
  if
  :: winner != CASE(0) -> Remove(CASE(0))
  :: else
  fi;
  if
  :: winner != CASE(1) -> Remove(CASE(1))
  :: else
  fi
#else
  skip
#endif
}

proctype Select(byte w; bool sends; byte rounds) {
  byte sg = NIL, wake = NIL, step = 0, v = 0, i = 0, tries = 0;
  bool won = false;
  do
  :: rounds == 0 -> break
  :: else ->
     rounds--;
     LockAll();
     if
     :: i = 0
     :: i = 1
     fi;
     tries = 2;
     do
     :: tries == 0 -> break
     :: else ->
        tries--;
        if
        :: sends -> SendStep(CHAN(i), w)
        :: else -> RecvStep(CHAN(i))
        fi;
        if
        :: step != 0 -> tries = 0; break
        :: else -> i = OTHER
        fi
     od;
     i = 0;
     if
     :: step != 0 -> UnlockAll(); WakeIt()
     :: else ->
        /* ParkInAll */
        d_step {
          frame[w]++;
          elem[CASE(0)] = w;
          elem[CASE(1)] = w
        };
        Enqueue(QUEUE(0), CASE(0));
        Enqueue(QUEUE(1), CASE(1));
#if BROKEN == 4
        d_step { !commit[w] -> commit[w] = true };
        !commit[w];
        status[w] = WAITING;
#else
        d_step { status[w] = WAITING; commit[w] = true };
#endif
end_parked:
        atomic {
          status[w] == RUNNABLE && !(stopping && w == 0) ->
          status[w] = RUNNING
        };
#if BROKEN == 5
        select_done[w] = false;
#endif
        DequeueLosers(param[w]);
        d_step {
          select_done[w] = false;
          step = outcome[param[w]];
          v = elem[param[w]];
          alive[CASE(0)] = false;
          alive[CASE(1)] = false;
          frame[w]++
        }
     fi;
     if
     :: sends -> sent[w] = step == DONE
     :: !sends && step == DONE -> Received(v)
     :: else
     fi;
     d_step { step = 0; v = 0 }
  od
}

/* Reads as many channels from the frame as UnlockAll before each unlock. */
proctype Committer(byte w) {
  byte call;
end:
  do
  :: commit[w] ->
     d_step {
       commit[w] = (BROKEN == 4);
       committing = (w == 0);
       call = frame[w]
     };
     assert(call == frame[w]);
     Unlock(0);
     if
     :: !SAME -> Unlock(1)
     :: else
     fi;
#if BROKEN == 3
     assert(call == frame[w]);
#endif
     d_step {
       committing = false;
       call = 0;
       if
       :: BROKEN == 4 -> commit[w] = false
       :: else
       fi
     }
  od
}

proctype Abandoner() {
  byte w = 0;
  bool won = false;
end:
  atomic {
    status[w] != RUNNING && !commit[w] && !committing;
    stopping = true
  };
  do
  :: status[w] == RUNNABLE ->
#if BROKEN != 7
     DequeueLosers(NIL);
#endif
     break
  :: else ->
#if BROKEN == 6
     won = true;
#else
     Win(CASE(0));
#endif
     DequeueLosers(NIL);
     if
     :: won -> break
     :: else -> status[w] == RUNNABLE
     fi
  od;
  skip;
  d_step {
    alive[CASE(0)] = false;
    alive[CASE(1)] = false;
    frame[w]++;
    abandoned = true
  }
}

/* When nothing moves any more. */
inline Check() {
  q = 0;
  do
  :: q < 4 ->
     sg = first[q];
     do
     :: sg == NIL -> break
     :: else ->
        assert(alive[sg] && status[sg / 2] == WAITING);
        in_queue[sg / 2] = true;
        sg = next[sg]
     od;
     assert(first[q] == NIL || !closed[q / 2]);
     q++
  :: else -> break
  od;
  assert(first[0] == NIL || first[1] == NIL);
  assert(first[2] == NIL || first[3] == NIL);
  assert(!lock[0] && !lock[1]);
  k = 0;
  do
  :: k < NW ->
     assert(status[k] != RUNNABLE || (abandoned && k == 0));
     assert(status[k] != WAITING || in_queue[k] || (abandoned && k == 0));
     assert(sent[k] == delivered[k]);
     assert(received[k] == delivered[k] || abandoned);
     k++
  :: else -> break
  od
}

init {
  byte k = 0, w = 0, q = 0, sg = NIL;
  bool in_queue[NW];
  atomic {
    run Select(0, false, ROUNDS);
    run Committer(0);
    w = 1;
#if SELSEND
    run Select(1, true, 1);
    run Committer(1);
    w = 2;
#endif
    do
    :: k < SEND0 -> run Sender(w, 0); w++; k++
    :: else -> k = 0; break
    od;
    do
    :: k < SEND1 -> run Sender(w, 1); w++; k++
    :: else -> k = 0; break
    od;
    do
    :: k < RECV -> run Recver(w, 0); w++; k++
    :: else -> k = 0; break
    od;
#if CLOSE & 1
    run Closer(0);
#endif
#if CLOSE & 2
    run Closer(1);
#endif
#if ABANDON
    run Abandoner();
#endif
    w = 0
  }
  timeout;
  d_step { Check() }
}
