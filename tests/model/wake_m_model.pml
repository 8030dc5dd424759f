/* How an idle M is woken, for spin: the protocol at the top of runtime/sched.h in
 * every interleaving of its loads and stores, with the store buffers of the Ps.
 *
 * P 0 runs a goroutine that readies LOCAL others into its own ring; FOREIGN
 * threads without a P ready one each; WAITING goroutines are in the global queue
 * from the start, since no P was idle when they came. The other Ps have just
 * become free. A goroutine ends, or runs on for ever: that is chosen anew each
 * time, so that nobody can count on a busy P to come back.
 *
 * Holds: when nothing moves any more, no work is queued while a P is idle;
 * and nobody is counted as spinning.
 *
 *   here           in the code (runtime/, but where said)
 *   WakeForRing    park.cc PutReady after queue/runq.h Put: S1, LightBarrier, S2
 *   Foreign        spawn.cc Inject, queue/gqueue.h Put: S1, S2
 *   WakeP, StartM  threads.cc WakeP, StartM
 *   AnyWork        proc.cc AnyWork
 *   M              proc.cc FindRunnable: from `find` on LocalOrGlobal, then Spin
 *                  and StealWork; `go_idle` GoIdle; `took` TakeGlobalBatch's and
 *                  StealInto's second half, then Found; threads.cc StopM `sleep`
 *   TakeAny        queue/idle_mask.h TakeAny; its count and bits are one here
 *   buffered       the owner's release store of its ring's tail is seen by others
 *   Drain          at some later moment; base/asymmetric_barrier.h HeavyBarrier
 *   HeavyBarrier   brings that moment about, for one P after the other. The light
 *                  barrier is that S2's loads are steps after the Put.
 *   RingBarrier    proc.cc RingBarrier: none if all Ps are idle. I1 drains its P's
 *                  ring, since whoever reads the count later has seen I1; no other
 *                  read-modify-write drains here, though on x86 it does.
 *
 * A step is one load or store that other threads can see. Get, StealInto up to
 * its claim, and GetShare are steps, too: queue/runq_model_test.cc and
 * gqueue_model_test.cc see into them. A spinner looks once at each P.
 *
 * Left out: runnext and the network, for which the protocol does not promise to
 * wake anybody; the spill list, which is as the global queue; timers; stops of the
 * world, the end of the Runtime and locked goroutines (with them HandoffP);
 * threads that are made when no M sleeps (StartM waits for one of NM here); and
 * sysmon, which makes good in time what the protocol misses (WakeForLocalWork).
 *
 * BROKEN=1: no I3.
 * BROKEN=2: I2 comes after I3.
 * BROKEN=3: Found wakes nobody.
 * BROKEN=4: no heavy barrier before I3.
 * BROKEN=5: WakeP that found no P does not look at the queues again.
 * BROKEN=6: Found looks without a heavy barrier. It does not see what a P has
 *           just put, and that P has still seen it counted as a spinner.
 * BROKEN=7: the same, of WakeP that found no P.
 * BROKEN=8: who takes several from the global queue and is no spinner wakes
 *           nobody for those that it puts into its ring. An I3 between the two
 *           sees them in neither.
 * BROKEN=9: no heavy barrier before I3 when all Ps but one are idle.
 */
#ifndef NP
#define NP 2
#endif
#ifndef NM
#define NM 3
#endif
#ifndef LOCAL
#define LOCAL 1
#endif
#ifndef FOREIGN
#define FOREIGN 1
#endif
#ifndef WAITING
#define WAITING 0
#endif
#ifndef BROKEN
#define BROKEN 0
#endif

#define NONE NP

byte global = WAITING;
byte ring[NP];
byte buffered[NP];
bool idle[NP];
byte idle_count = 0;
byte nmspinning = 0;
bool asleep[NM];
byte nextp[NM] = NONE;

/* q = a P, or NONE. */
inline TakeAny() {
  d_step {
    q = 0;
    do
    :: q < NP && !idle[q] -> q++
    :: else -> break
    od;
    if
    :: q < NP -> idle[q] = false; idle_count--
    :: else
    fi
  }
}

inline DrainOne(i) {
  d_step { ring[i] = ring[i] + buffered[i]; buffered[i] = 0 }
}

inline HeavyBarrier() {
  DrainOne(0);
#if NP > 2
  DrainOne(2);
#endif
  DrainOne(1)
}

#define ALL_IDLE (idle_count >= (BROKEN == 9 -> NP - 1 : NP))

inline RingBarrier(broken) {
  if
  :: BROKEN != broken && !ALL_IDLE -> HeavyBarrier()
  :: else
  fi
}

#define RING_SEEN(i) (ring[i] > 0 || (i == p && buffered[i] > 0))

/* work = is there any, as p's owner sees it. */
inline AnyWork() {
  if
  :: global > 0 -> work = true
  :: else ->
     if
     :: RING_SEEN(0) -> work = true
     :: else ->
#if NP > 2
        if
        :: RING_SEEN(2) -> work = true
        :: else
        fi;
#endif
        if
        :: RING_SEEN(1) -> work = true
        :: else
        fi
     fi
  fi
}

inline StartM() {
  atomic {
    do
    :: k < NM && asleep[k] -> break
    :: k < NM && !asleep[k] -> k++
    :: k == NM -> k = 0; asleep[0] || asleep[1] || asleep[NM - 1]
    od;
    asleep[k] = false;
    nextp[k] = q;
    k = 0;
    q = NONE
  }
}

inline WakeP() {
  do
  :: if
     :: nmspinning != 0 -> break
     :: else
     fi;
     if
     :: idle_count == 0 -> break
     :: else
     fi;
     if
     :: d_step { nmspinning == 0 -> nmspinning = 1 }
     :: nmspinning != 0 -> break
     fi;
     TakeAny();
     if
     :: q != NONE -> StartM(); break
     :: else
     fi;
     nmspinning--;
#if BROKEN == 5
     break
#else
     RingBarrier(7);
     AnyWork();
     if
     :: work -> work = false
     :: else -> break
     fi
#endif
  od
}

/* S2 for what p's owner has put into its ring. */
inline WakeForRing() {
  if
  :: idle_count != 0 -> WakeP()
  :: else
  fi
}

/* n = how many; 0: there are none. */
inline TakeGlobalBatch() {
  d_step {
    n = global / NP + 1;
    if
    :: n > global -> n = global
    :: else
    fi;
    global = global - n
  }
}

inline Steal(victim) {
  d_step {
    if
    :: victim != p && !idle[victim] ->
       n = ring[victim] - ring[victim] / 2;
       ring[victim] = ring[victim] - n
    :: else
    fi
  }
}

inline ElseTook() {
  if
  :: n > 0 -> goto took
  :: else
  fi
}

proctype M(byte me; byte p; byte puts) {
  byte k = 0, q = NONE, n = 0;
  bool spinning = false, spun = false, work = false;
  if
  :: p == NONE -> goto sleep
  :: p != NONE && puts > 0 -> goto runs
  :: else
  fi;

find: skip; /* LocalOrGlobal */
  d_step {
    if
    :: ring[p] > 0 -> ring[p]--; n = 1
    :: ring[p] == 0 && buffered[p] > 0 -> buffered[p]--; n = 1
    :: else
    fi
  };
  ElseTook();
  TakeGlobalBatch();
  ElseTook();

  /* Spin */
  if
  :: spinning
  :: !spinning && 2 * nmspinning >= NP - idle_count -> goto go_idle
  :: else -> d_step { spinning = true; nmspinning++ }
  fi;
  Steal(0);
  ElseTook();
  Steal(1);
  ElseTook();
#if NP > 2
  Steal(2);
  ElseTook();
#endif
  TakeGlobalBatch();
  ElseTook();

go_idle: skip;
  d_step { /* I1 */
    ring[p] = ring[p] + buffered[p]; buffered[p] = 0;
    idle_count++; idle[p] = true; p = NONE; spun = spinning
  };
#if BROKEN != 2
  if
  :: spinning -> d_step { spinning = false; nmspinning-- } /* I2 */
  :: else
  fi;
#endif
  RingBarrier(4);
#if BROKEN != 1
  AnyWork(); /* I3 */
#endif
#if BROKEN == 2
  if
  :: spinning -> d_step { spinning = false; nmspinning-- }
  :: else
  fi;
#endif
  if
  :: work -> d_step { work = false; TakeAny() }
  :: else
  fi;
  if
  :: q == NONE -> goto sleep
  :: else -> d_step { p = q; q = NONE }
  fi;
  if
  :: spun -> d_step { spun = false; spinning = true; nmspinning++ }
  :: else
  fi;
  goto find;

sleep: skip; /* StopM */
  d_step { spun = false; asleep[me] = true };
end_asleep:
  atomic {
    nextp[me] != NONE -> p = nextp[me]; nextp[me] = NONE; spinning = true
  };
  goto find;

took: /* the first to run, the others into the ring */
  if
  :: n > 1 ->
     d_step { buffered[p] = buffered[p] + n - 1; n = 0 };
     if
     :: !spinning && BROKEN != 8 -> WakeForRing()
     :: else
     fi
  :: else -> n = 0
  fi;
  /* Found */
  if
  :: !spinning -> goto runs
  :: else
  fi;
  atomic {
    spinning = false;
    nmspinning--;
    if
    :: nmspinning > 0 -> goto runs
    :: else
    fi
  };
#if BROKEN != 3
  if
  :: idle_count == 0 -> goto runs
  :: else
  fi;
  RingBarrier(6);
  AnyWork();
  if
  :: work -> work = false; WakeP()
  :: else
  fi;
#endif

runs:
  do
  :: puts > 0 -> puts--; buffered[p]++; /* S1 */ WakeForRing()
  :: else -> break
  od;
  if
  :: goto find
  :: skip
  fi;
end_runs_on:
  false
}

proctype Foreign() {
  byte p = NONE, k = 0, q = NONE;
  bool work = false;
  global++; /* S1 */
  WakeP() /* S2 */
}

active proctype Drain() {
end:
  do
  :: d_step { buffered[0] > 0 -> ring[0]++; buffered[0]-- }
  :: d_step { buffered[1] > 0 -> ring[1]++; buffered[1]-- }
#if NP > 2
  :: d_step { buffered[2] > 0 -> ring[2]++; buffered[2]-- }
#endif
  od
}

init {
  byte k = 0, queued = 0, idles = 0;
  atomic {
    do
    :: k < NM ->
       run M(k, (k < NP -> k : NONE), (k == 0 -> LOCAL : 0));
       k++
    :: else -> k = 0; break
    od;
    do
    :: k < FOREIGN -> run Foreign(); k++
    :: else -> k = 0; break
    od
  }
  timeout;
  d_step {
    queued = global;
    do
    :: k < NP ->
       queued = queued + ring[k] + buffered[k];
       idles = idles + idle[k];
       k++
    :: else -> break
    od;
    assert(queued == 0 || idles == 0);
    assert(nmspinning == 0);
    assert(idle_count == idles)
  }
}
