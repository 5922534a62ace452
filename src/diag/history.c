/* history.c - see history.h. */
#include "diag/history.h"

struct pw_history *pw_history_open(uint32_t length, void *(*map)(size_t bytes))
{
    size_t places = 1;
    while (places < length)
        places *= 2;
    struct pw_history *history = map(sizeof *history + places * sizeof history->entries[0]);
    if (history == NULL)
        return NULL;
    history->length = length;
    history->mask = (uint32_t)(places - 1);
    pw_history_refresh(history);
    return history;
}

/* A copy of an entry; false: there is none, or it is being written. */
static bool read_entry(const struct pw_history_entry *entry, struct pw_past *past)
{
    uint64_t time = atomic_load_explicit(&entry->time, memory_order_acquire);
    *past = (struct pw_past){.time = time,
                             .address = entry->address,
                             .size = entry->size,
                             .stack = entry->stack,
                             .thread = entry->thread,
                             .operation = entry->operation & (PW_HISTORY_RELEASE - 1),
                             .is_release = (entry->operation & PW_HISTORY_RELEASE) != 0};
    atomic_thread_fence(memory_order_acquire);
    return time != 0 && atomic_load_explicit(&entry->time, memory_order_relaxed) == time;
}

/* Put it where its time has it, newest first; the oldest goes when the list is full. */
static void insert(struct pw_past list[PW_PAST_SHOWN], uint32_t *count, const struct pw_past *past)
{
    uint32_t at = *count;
    while (at > 0 && list[at - 1].time <= past->time)
        at--;
    if (at == PW_PAST_SHOWN)
        return;
    uint32_t last = *count < PW_PAST_SHOWN ? *count : PW_PAST_SHOWN - 1;
    for (uint32_t i = last; i > at; i--)
        list[i] = list[i - 1];
    list[at] = *past;
    *count = last + 1;
}

void pw_history_collect(const struct pw_history *history, uint64_t address, uint64_t bytes,
                        struct pw_past list[PW_PAST_SHOWN], uint32_t *count)
{
    uint64_t oldest = history->noted - history->length;
    for (uint32_t i = 0; i < history->length; i++) {
        struct pw_past past;
        if (!read_entry(&history->entries[(oldest + i) & history->mask], &past))
            continue;
        uint64_t end = past.address + (past.size != 0 ? past.size : 1);
        bool is_there = past.address < address + bytes && address < end;
        if (bytes == 0 || is_there)
            insert(list, count, &past);
    }
}
