/* WaitGroup, as in wait_group.cc, for spin: DONES goroutines call Done once, and
 * WAITS call Wait, in every interleaving of their steps.
 *
 * Holds: every Wait returns, and not before the counter is zero; nobody is
 * readied twice, or without being parked; and nothing touches the WaitGroup after
 * the last Wait has returned.
 *
 * BROKEN=1: the last Done takes the list though a Wait has claimed it.
 * BROKEN=2: a Wait that finds the counter at zero as it parks just goes on.
 * BROKEN=3: the last Done clears the word after it has woken the waiters.
 */
#ifndef DONES
#define DONES 2
#endif
#ifndef WAITS
#define WAITS 3
#endif
#ifndef BROKEN
#define BROKEN 0
#endif

/* The word. */
byte count = DONES;
bool claimed = false;
bool waiting = false;

bool listed[WAITS];
bool parked[WAITS];
bool woken[WAITS];
byte returned = 0;

#define ALIVE assert(returned < WAITS)

/* Copies the list and empties it. */
inline TakeList() {
  d_step {
    ALIVE;
    i = 0;
    do
    :: i < WAITS -> taken[i] = listed[i]; listed[i] = false; i++
    :: else -> break
    od;
    i = 0
  }
}

inline ClearWord() {
  d_step { ALIVE; claimed = false; waiting = false }
}

inline WakeTaken() {
  i = 0;
  do
  :: i < WAITS ->
     d_step {
       if
       :: taken[i] ->
          taken[i] = false;
          assert(parked[i] && !woken[i]);
          woken[i] = true
       :: else
       fi;
       i++
     }
  :: else -> break
  od;
  i = 0
}

proctype Done() {
  bool taken[WAITS], last, was_claimed, was_waiting;
  byte i = 0;
  d_step {
    ALIVE;
    count--;
    last = count == 0;
    was_claimed = claimed;
    was_waiting = waiting
  };
  if
  :: last && (was_waiting || BROKEN == 1) && (!was_claimed || BROKEN == 1) ->
     TakeList();
#if BROKEN == 3
     WakeTaken();
     ClearWord()
#else
     ClearWord();
     WakeTaken()
#endif
  :: else
  fi
}

proctype Wait(byte me) {
  bool taken[WAITS], zero;
  byte i = 0;
claim:
  atomic {
    ALIVE;
    count == 0 || !claimed;
    if
    :: count == 0 -> goto out
    :: else -> claimed = true
    fi
  };
  listed[me] = true;
  /* Off its stack; Commit. */
  d_step {
    ALIVE;
    parked[me] = true;
    claimed = false;
    waiting = true;
    zero = count == 0
  };
  if
  :: zero && BROKEN != 2 ->
     d_step { parked[me] = false; listed[me] = false };
     TakeList();
     ClearWord();
     WakeTaken();
     goto out
  :: zero && BROKEN == 2 ->
     d_step { parked[me] = false; listed[me] = false };
     goto out
  :: else
  fi;
  d_step { woken[me] -> woken[me] = false; parked[me] = false };
out: skip;
  d_step { assert(count == 0); returned++ }
}

init {
  byte k = 0;
  atomic {
    do
    :: k < DONES -> run Done(); k++
    :: else -> break
    od;
    k = 0;
    do
    :: k < WAITS -> run Wait(k); k++
    :: else -> break
    od
  }
}
