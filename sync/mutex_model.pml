/* Mutex, as in mutex.h and mutex.cc, for spin: N goroutines lock and unlock,
 * the first of them ROUNDS times, in every interleaving of their steps on the word, the queue
 * and the root's lock.
 *
 * Holds: one at a time in the section; no "unlock of unlocked"; who waits is
 * woken in the end (else spin finds an invalid end state), in and out of
 * starvation mode, which each wait may or may not bring on.
 *
 * The memory is sequentially consistent here. What that leaves out is argued at
 * each access. Spinning is left out: it is only another way to be slow.
 *
 * BROKEN=1: a waiter queues without looking at the word under the root's lock.
 * BROKEN=2: a woken waiter forgets that there are others behind it.
 * BROKEN=3: an exchange that overwrites a flag does not answer for it.
 */
#ifndef N
#define N 3
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif
#ifndef BROKEN
#define BROKEN 0
#endif

#define FREE 0
#define HELD 1
#define WAITERS 2
#define STARVING 3
#define NOBODY N

byte state = FREE;
bool root = false;
byte queue[N];
byte length = 0;
bool woken[N];
bool granted[N];
bool more[N];
byte inside = 0;

inline LockRoot() { atomic { !root -> root = true } }
inline UnlockRoot() { root = false }

inline Enqueue(lifo) {
  d_step {
    i = length;
    do
    :: lifo && i > 0 -> queue[i] = queue[i - 1]; i--
    :: else -> break
    od;
    queue[i] = me;
    length++;
    i = 0
  }
}

/* w = the first, or NOBODY. */
inline Dequeue() {
  d_step {
    if
    :: length == 0 -> w = NOBODY
    :: else ->
       w = queue[0];
       i = 1;
       do
       :: i < length -> queue[i - 1] = queue[i]; i++
       :: else -> break
       od;
       i = 0;
       length--;
       queue[length] = 0;
       more[w] = length > 0
    fi
  }
}

proctype Goroutine(byte me) {
  byte round = 0, seen, hold, flag, w, i = 0;
  bool starving, waited, waited_long;
  do
  :: round == (me == 0 -> ROUNDS : 1) -> break
  :: else ->
     round++;
     starving = false; waited = false;

     /* Lock */
     seen = state;
     if
     :: seen == FREE ->
        d_step { seen = state; state = HELD };
        if
        :: seen == FREE -> goto locked
        :: else -> hold = (BROKEN == 3 -> HELD : seen)
        fi
     :: else -> hold = HELD
     fi;

slow: skip;
     seen = state;
     if
     :: seen == FREE ->
        atomic {
          if
          :: state == FREE -> state = hold; goto locked
          :: else -> goto slow
          fi
        }
     :: else
     fi;
     flag = (starving -> STARVING : WAITERS);
     if
     :: hold > flag -> flag = hold
     :: else
     fi;
     if
     :: seen < flag ->
        atomic {
          if
          :: state == seen -> state = flag
          :: else -> goto slow
          fi
        }
     :: else
     fi;
     LockRoot();
     if
     :: state < WAITERS && BROKEN != 1 -> UnlockRoot(); goto slow
     :: else
     fi;
     Enqueue(waited);
     UnlockRoot();
     d_step { woken[me] -> woken[me] = false };
     waited = true;
     if
     :: waited_long = true
     :: waited_long = false
     fi;
     if
     :: granted[me] ->
        granted[me] = false;
        if
        :: !waited_long && more[me] ->
           d_step {
             if
             :: state == STARVING -> state = WAITERS
             :: else
             fi
           }
        :: else
        fi;
        goto locked
     :: else
     fi;
     starving = starving || waited_long;
     hold = (more[me] && BROKEN != 2 -> WAITERS : HELD);
     goto slow;

locked: skip;
     inside++;
     assert(inside == 1);
     inside--;

     /* Unlock */
     seen = state;
     if
     :: seen != HELD -> /* PassOn */
        assert(seen != FREE);
        LockRoot();
        Dequeue();
        if
        :: w != NOBODY && seen == STARVING ->
           granted[w] = true;
           state = (more[w] -> STARVING : HELD)
        :: else -> state = FREE
        fi;
        UnlockRoot()
     :: else ->
        d_step { seen = state; state = FREE };
        w = NOBODY;
        if
        :: seen != HELD -> /* ReleasedUnaware */
           assert(seen != FREE);
           LockRoot();
           Dequeue();
           UnlockRoot();
           if
           :: w != NOBODY && seen == STARVING ->
              d_step {
                if
                :: state == FREE ->
                   state = (more[w] -> STARVING : HELD);
                   granted[w] = true
                :: else
                fi
              }
           :: else
           fi
        :: else
        fi
     fi;
     if
     :: w != NOBODY -> woken[w] = true
     :: else
     fi
  od
}

init {
  byte k = 0;
  atomic {
    do
    :: k < N -> run Goroutine(k); k++
    :: else -> break
    od
  }
}
