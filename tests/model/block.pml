/*
 * block.pml - the protocol of a block's states (docs/internals.md, "The states of a block") as a model for spin.
 *
 * Two program threads allocate, free and free twice; a walker looks at the blocks under the heap's lock; a fork
 * may copy the heap at any moment it is allowed to. Each block has a word (state), a pattern (what its bytes
 * hold) and an owner, which is the model's own and stands for who was handed the block.
 *
 *   word: FREE, CACHED, PENDING, LIVE, QUARANTINED        pattern: DATA, FILL (poison or zone complete), TORN
 *
 * Properties, checked in every interleaving:
 *   - no double hand-out: a block that is handed out has no owner
 *   - a claim is passed once: of two frees that race one is refused
 *   - no lost block: at the end every block is somewhere, and only once
 *   - a walker never sees a false corruption: a pattern that is wrong under a word that did not change
 *   - what fork copies under the locks is whole: every block in at most one place, bins of FREE blocks alone
 *
 * LEVEL_FULL: claims are compare-and-swap and freed blocks wait in a quarantine. Else (fast) the claim is a
 * check and a plain store, and a program that frees twice at once is outside of what is promised.
 */
#ifndef BLOCKS
#define BLOCKS 2
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif
#define THREADS 2

mtype = { FREE, CACHED, PENDING, LIVE, QUARANTINED };
mtype = { DATA, FILL, TORN };

mtype word[BLOCKS];
mtype pattern[BLOCKS];
byte owner[BLOCKS];      /* 0: nobody; thread + 1 */
bool in_bin[BLOCKS];     /* guarded by the heap's lock */
byte cached_by[BLOCKS];  /* 0: in nobody's cache; thread + 1 */
bool queued[BLOCKS];     /* in the quarantine; guarded by its lock */
byte heap_lock, queue_lock; /* 0: free; else who holds it */
byte running = THREADS;
byte refused, claimed;

inline lock(which, me)
{
    atomic { which == 0 -> which = me }
}

inline unlock(which, me)
{
    assert(which == me);
    which = 0
}

/* refill: FREE → CACHED under the heap's lock, into this thread's cache */
inline refill(me)
{
    lock(heap_lock, me);
    b = 0;
    do
    :: b < BLOCKS && in_bin[b] ->
        in_bin[b] = false;
        assert(word[b] == FREE && cached_by[b] == 0 && !queued[b]);
        word[b] = CACHED;
        cached_by[b] = me;
        break
    :: b < BLOCKS && !in_bin[b] -> b++
    :: b >= BLOCKS -> break
    od;
    unlock(heap_lock, me)
}

/* pop, then dress: PENDING, pattern, LIVE. got is the block, or BLOCKS */
inline allocate(me)
{
    got = 0;
    do
    :: got < BLOCKS && cached_by[got] == me -> break
    :: got < BLOCKS && cached_by[got] != me -> got++
    :: got >= BLOCKS -> break
    od;
    if
    :: got >= BLOCKS ->
        refill(me);
        got = b
    :: else -> skip
    fi;
    if
    :: got < BLOCKS ->
        cached_by[got] = 0;
        assert(word[got] == CACHED);
        assert(pattern[got] == FILL);     /* the check before reuse finds what was left */
        word[got] = PENDING;
        pattern[got] = TORN;              /* zone being written */
        assert(owner[got] == 0);          /* no double hand-out */
        owner[got] = me;
        pattern[got] = DATA;
        word[got] = LIVE
    :: else -> skip
    fi
}

/* the claim: exactly one of two frees of a block gets it */
inline claim(block, me)
{
#ifdef LEVEL_FULL
    atomic {
        if
        :: word[block] == LIVE -> word[block] = PENDING; passed = true; claimed++
        :: else -> passed = false; refused++
        fi
    }
#else
    passed = (word[block] == LIVE);
    if
    :: passed -> word[block] = PENDING; claimed++
    :: else -> refused++
    fi
#endif
}

inline free_block(block, me)
{
    claim(block, me);
    if
    :: passed ->
        owner[block] = 0;
        pattern[block] = TORN;            /* poison being written */
        pattern[block] = FILL;
#ifdef LEVEL_FULL
        word[block] = QUARANTINED;
        lock(queue_lock, me);
        assert(!queued[block]);
        queued[block] = true;
        unlock(queue_lock, me)
#else
        word[block] = CACHED;
        assert(cached_by[block] == 0);
        cached_by[block] = me
#endif
    :: else -> skip
    fi
}

/* one block leaves the quarantine: verified, CACHED, into the cache of who evicts it */
inline evict(me)
{
    lock(queue_lock, me);
    b = 0;
    do
    :: b < BLOCKS && queued[b] -> queued[b] = false; break
    :: b < BLOCKS && !queued[b] -> b++
    :: b >= BLOCKS -> break
    od;
    unlock(queue_lock, me);
    if
    :: b < BLOCKS ->
        assert(word[b] == QUARANTINED && pattern[b] == FILL);
        word[b] = CACHED;
        assert(cached_by[b] == 0);
        cached_by[b] = me
    :: else -> skip
    fi
}

/* a thread's cache is drained: CACHED → FREE under the heap's lock */
inline drain(me)
{
    lock(heap_lock, me);
    b = 0;
    do
    :: b < BLOCKS ->
        if
        :: cached_by[b] == me ->
            assert(word[b] == CACHED && !in_bin[b]);
            cached_by[b] = 0;
            word[b] = FREE;
            in_bin[b] = true
        :: else -> skip
        fi;
        b++
    :: else -> break
    od;
    unlock(heap_lock, me)
}

/* what the threads hand to each other: the block that was allocated last, freed by either, or by both */
byte shared = BLOCKS;

proctype program(byte me)
{
    byte round = 0, b, got, mine;
    bool passed;
    do
    :: round < ROUNDS ->
        allocate(me);
        mine = got;
        if
        :: mine < BLOCKS ->
            if
            :: free_block(mine, me)
            :: atomic { shared == BLOCKS -> shared = mine }   /* the other one is to free it */
#ifdef LEVEL_FULL
            :: atomic { shared == BLOCKS -> shared = mine };  /* both do: a double free */
                free_block(mine, me)
#endif
            fi
        :: else -> skip
        fi;
        if
        :: atomic { shared < BLOCKS -> mine = shared; shared = BLOCKS };
            free_block(mine, me)
        :: skip
        fi;
#ifdef LEVEL_FULL
        if
        :: evict(me)
        :: skip
        fi;
#endif
        round++
    :: else -> break
    od;
    drain(me);
    running--
}

/* looks at every block as often as the model has time for it */
proctype walker()
{
    byte b, me = THREADS + 1;
    mtype seen, found;
    lock(heap_lock, me);
    b = 0;
    do
    :: b < BLOCKS ->
        seen = word[b];
        found = pattern[b];
        if
        :: seen == PENDING -> skip
        :: seen == LIVE && found != DATA ->
            /* settles: look again; if the word is another one by now it was a step in progress */
            assert(word[b] != seen || pattern[b] == DATA)
        :: (seen == CACHED || seen == FREE || seen == QUARANTINED) && found != FILL ->
            assert(word[b] != seen || pattern[b] == FILL)
        :: else -> skip
        fi;
        b++
    :: else -> break
    od;
    unlock(heap_lock, me)
}

/* fork: takes the locks in order, and the child has what is there in that moment. */
proctype forker()
{
    byte b, me = THREADS + 2, uses;
    lock(queue_lock, me);
    lock(heap_lock, me);
    atomic {
        b = 0;
        do
        :: b < BLOCKS ->
            uses = (in_bin[b] -> 1 : 0) + (queued[b] -> 1 : 0) + (cached_by[b] != 0 -> 1 : 0);
            assert(uses <= 1);
            assert(!in_bin[b] || word[b] == FREE);   /* bins change only under the lock: whole in the child */
            assert(!in_bin[b] || pattern[b] == FILL);
            b++
        :: else -> break
        od;
        skip
    }
    unlock(heap_lock, me);
    unlock(queue_lock, me)
}

/* no lost block: whoever is through, each block is in exactly one place, or still its owner's */
proctype judge()
{
    byte b, places;
    (running == 0);
    atomic {
        assert(heap_lock == 0 || heap_lock > THREADS);
        b = 0;
        do
        :: b < BLOCKS ->
            places = (in_bin[b] -> 1 : 0) + (queued[b] -> 1 : 0) + (cached_by[b] != 0 -> 1 : 0) +
                     (word[b] == LIVE -> 1 : 0);
            assert(places == 1);
            assert(word[b] != PENDING);
            assert(word[b] != LIVE || owner[b] != 0);
            b++
        :: else -> break
        od
    }
}

init
{
    byte i = 0;
    atomic {
        do
        :: i < BLOCKS -> word[i] = FREE; pattern[i] = FILL; in_bin[i] = true; i++
        :: else -> break
        od;
        run program(1);
        run program(2);
        run walker();
        run forker();
        run judge()
    }
}
