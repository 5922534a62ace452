/*
 * corrupt.c - harness: a program as of ops.c, and one misuse that is planted in it.
 *
 * Input: kind (plant.h), operation before which it happens, victim's slot, place, and a byte whose lowest bit
 * says whether the program goes on or the damage is looked for at once, the next two in which format it is told; with
 * the next four all set it is printed, too, to nowhere; then the program.
 *
 * A crash is: the misuse isn't found, or another kind, block, address or offset is told; or something is told
 * where nothing was planted.
 *
 * With FUZZ_TELL in the environment it is printed of every input what was planted (corpus_plants).
 */
#include "plant.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *pwheap_default_options(void)
{
    return FUZZ_OPTIONS ":halt_on_error=0:check_libc_calls=0:patrol_pages=1";
}

struct seen seen;
static struct plant plant;
static unsigned due; /* number of the operation */
static bool is_printed;
static const char *planted_last; /* kind of what this input planted; NULL: nothing */

static bool note(void *context, const struct pwheap_error *error)
{
    (void)context;
    if (seen.count++ > 0)
        return !is_printed;
    strncpy(seen.kind, error->kind, sizeof seen.kind - 1);
    seen.where = error->where;
    seen.address = error->address;
    size_t length = error->text_length < sizeof seen.text - 1 ? error->text_length : sizeof seen.text - 1;
    memcpy(seen.text, error->text, length);
    seen.text[length] = '\0';
    return !is_printed;
}

/* The level decides what can be found at all. */
static bool is_found_at(enum plant_kind kind)
{
    char level[16];
    (void)pwheap_option_get("level", level, sizeof level);
    if (kind == PLANT_OVERLAP || kind == PLANT_LIBC)
        return strcmp(level, "full") == 0 && FUZZ_CHECKS_LIBC;
    if (kind == PLANT_LEAK)
        return !FUZZ_ENGINE_ALLOCATES; /* which has pointers of its own */
    if (strcmp(level, "off") != 0)
        return true;
    return kind == PLANT_DOUBLE_FREE || kind == PLANT_BAD_FREE || kind == PLANT_INTERIOR ||
           kind == PLANT_HEADER || kind == PLANT_CALLOC || kind == PLANT_TOO_BIG || kind == PLANT_ALIGNMENT;
}

/* Where a block starts within its page is in the header: when that is damaged, only the page is known. */
static bool is_place(const void *told, const void *planted)
{
    return told == planted || (plant.what == PLANT_HEADER && (uintptr_t)told == ((uintptr_t)planted & -(uintptr_t)4096));
}

static void check_told(void)
{
    FUZZ_CHECK(seen.count > 0, "%s is not found: planted at %p, slot of %zu bytes", plant.kind,
               plant.address, model.slots[plant.slot].size);
    FUZZ_CHECK(strcmp(seen.kind, plant.kind) == 0 || (plant.or_kind != NULL && strcmp(seen.kind, plant.or_kind) == 0), "%s was planted at %p, told was:\n%s", plant.kind,
               plant.address, seen.text);
    if (plant.address != NULL)
        FUZZ_CHECK(is_place(seen.address, plant.address), "planted at %p, told was:\n%s", plant.address, seen.text);
    if (plant.block != NULL)
        FUZZ_CHECK(is_place(seen.where.block.address, plant.block), "planted at block %p, told was:\n%s", plant.block,
                   seen.text);
    if (plant.knows_offset)
        FUZZ_CHECK(seen.where.relation == plant.relation && seen.where.offset == plant.offset,
                   "planted with offset %zu, told was %zu (%d):\n%s", plant.offset, seen.where.offset,
                   (int)seen.where.relation, seen.text);
}

static void check_silence(void)
{
    FUZZ_CHECK(seen.count == 0, "nothing is wrong, told was:\n%s", seen.text);
}

/* A live slot at or after the one that the input names; there may be none. */
static void choose_victim(void)
{
    for (unsigned i = 0; i < MODEL_SLOTS && model.slots[plant.slot].block == NULL; i++)
        plant.slot = (plant.slot + 1) % MODEL_SLOTS;
}

/* Look for what has been planted, mend it, and go on as if nothing had been. */
static void look(void)
{
    if (seen.count == 0)
        (void)pwheap_validate();
    check_told();
    /* Taken out of service, perhaps: it can be asked for all the same. */
    static struct pwheap_description described;
    bool is_known = plant.block != NULL && pwheap_describe(plant.block, &described);
    FUZZ_CHECK(!is_known || described.block.state <= PWHEAP_STATE_RETIRED, "a block in state %d", (int)described.block.state);
    plant_mend(&plant);
    plant.kind = NULL;
    seen.count = 0;
}

static void plant_when_due(struct program *program)
{
    if (plant.kind == NULL)
        check_silence();
    if (plant.is_done || program->operations < due)
        return;
    plant.is_done = true;
    choose_victim();
    if (!is_found_at(plant.what))
        return;
    /* What goes with its instance is not looked at. */
    if (model.slots[plant.slot].family == PWHEAP_FAMILY_INSTANCE)
        plant.is_delayed = false;
    plant.may_be_dear = program->looks && !program->maps_fail;
    plant_misuse(&plant);
    planted_last = plant.kind;
    if (plant.kind != NULL && !plant.is_delayed)
        look();
    program->is_damaged = plant.kind != NULL;
}

/* Text, that with colours, asan's words, JSON. */
static void choose_format(unsigned which)
{
    static const char *const formats[] = {"text", "text", "asan", "json"};
    static const char *const colours[] = {"never", "always", "never", "never"};
    static unsigned now = ~0u;
    if (which == now)
        return;
    now = which;
    (void)pwheap_option_set("report_format", formats[which]);
    (void)pwheap_option_set("color", colours[which]);
}

/* What is printed to stderr goes to /dev/null, but for what the harness has to say. */
static int print_nowhere(void)
{
    int kept = dup(STDERR_FILENO), nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    dup2(nowhere, STDERR_FILENO);
    close(nowhere);
    return fuzz_output = kept;
}

static void print_again(int kept)
{
    dup2(kept, STDERR_FILENO);
    close(kept);
    fuzz_output = STDERR_FILENO;
}

static void tell_planted(void)
{
    if (getenv("FUZZ_TELL") != NULL)
        dprintf(fuzz_output, "planted: %s\n", planted_last == NULL ? "nothing" : planted_last);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct program program = {.input = {.at = data, .left = size}, .plant = plant_when_due};
    plant = (struct plant){.what = fuzz_byte(&program.input) % PLANT_COUNT};
    due = fuzz_byte(&program.input) % 32u;
    plant.slot = fuzz_byte(&program.input) % MODEL_SLOTS;
    plant.place = fuzz_byte(&program.input);
    uint8_t how = fuzz_byte(&program.input);
    plant.is_delayed = how % 2 != 0;
    choose_format(how / 2 % 4);
    is_printed = how / 8 % 16 == 15;
    seen.count = 0;
    planted_last = NULL;
    (void)pwheap_set_error_callback(note, NULL);
    int kept = is_printed ? print_nowhere() : -1;
    program_run(&program);
    if (plant.kind == NULL)
        check_silence();
    else
        look();
    tell_planted();
    if (is_printed)
        print_again(kept);
    return 0;
}
