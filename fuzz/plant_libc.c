/* plant_libc.c - misuses by libc's functions (plant.h): they are told before the function does its work, at level full. */
#include "plant.h"

#include <stdlib.h>
#include <string.h>

/* Not the compiler's own. */
static void *(*volatile copy)(void *to, const void *from, size_t bytes) = memcpy;
static void *(*volatile set)(void *at, int byte, size_t bytes) = memset;

enum { MOST_BYTES = 4096 /* so much of a block is filled all over, so that a copy within it changes nothing */ };

static bool is_fit(const struct model_slot *slot, size_t least)
{
    return slot->size >= least && slot->size <= MOST_BYTES && slot->family != PWHEAP_FAMILY_INSTANCE;
}

/* Checked are only the calls that are looked at: else the harness itself would run slower. */
static void begin_checks(void)
{
    (void)pwheap_option_set("check_libc_calls", "1");
}

static void end_checks(void)
{
    (void)pwheap_option_set("check_libc_calls", "0");
}

void plant_overlap(struct plant *plant, struct model_slot *slot)
{
    if (!is_fit(slot, 4))
        return;
    size_t step = 1 + plant->place % ((slot->size - 1) / 2), bytes = slot->size - step; /* more than the step */
    bool is_forward = plant->place % 2 == 0;
    plant->kind = "overlapping-copy";
    plant->address = is_forward ? slot->block + step : slot->block;
    plant->block = slot->block;
    begin_checks();
    (void)copy(is_forward ? slot->block + step : slot->block, is_forward ? slot->block : slot->block + step, bytes);
    end_checks();
}

enum form { FORM_READ, FORM_WRITE, FORM_OF_FREED, FORM_OF_DAMAGE /* a read of what was written there before */, FORM_COUNT };

struct access {
    struct plant *plant;
    unsigned char *block;
    size_t bytes;
    enum form form;
};

static void do_access(void *context)
{
    static unsigned char elsewhere[2 * MOST_BYTES];
    const struct access *access = context;
    struct plant *plant = access->plant;
    unsigned char *end = access->block + access->bytes - 1;
    if (access->form == FORM_WRITE || access->form == FORM_OF_DAMAGE) {
        plant->before = *end;
        plant->damaged = end;
    }
    if (access->form == FORM_OF_DAMAGE)
        *(volatile unsigned char *)end = plant->before ^ 1;
    if (access->form == FORM_WRITE)
        (void)set(end, plant->before ^ 1, 1);
    else
        (void)copy(elsewhere, access->block, access->bytes);
}

/* A read of a byte past the end, a write there, a read of what was freed. Told before it is done, where it can't be done, too. */
void plant_libc(struct plant *plant, struct model_slot *slot)
{
    if (!is_fit(slot, 1))
        return;
    bool is_of_freed = plant->place % FORM_COUNT == FORM_OF_FREED;
    struct access access = {plant, slot->block, slot->size + !is_of_freed, (enum form)(plant->place % FORM_COUNT)};
    plant->kind = is_of_freed ? "heap-use-after-free" : "heap-buffer-overflow";
    plant->address = is_of_freed ? slot->block : slot->block + slot->size;
    plant->block = slot->block;
    plant->knows_offset = true;
    plant->relation = is_of_freed ? PWHEAP_RELATION_INSIDE : PWHEAP_RELATION_AFTER;
    plant->offset = 0;
    if (is_of_freed)
        program_free(plant->slot, 0);
    begin_checks();
    (void)plant_survives(do_access, &access);
    end_checks();
}
