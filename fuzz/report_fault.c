/* report_fault.c - faults from bytes (report.h). */
#include "report.h"

#include "image/image.h"
#include "names.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BLOCKS = 64, PLACES = 8 };

static struct pw_block_info blocks[MOST_BLOCKS];
static unsigned block_count;
static uint64_t code[PLACES]; /* of the program, libc and no module */

static void *made[24];

static bool is_made(const struct pw_block_info *info)
{
    for (unsigned i = 0; i < 24; i++)
        if ((uintptr_t)made[i] == info->address)
            return true;
    return false;
}

static bool note(void *context, const struct pw_block_info *info)
{
    const bool *wants_made = context;
    if (is_made(info) == *wants_made)
        blocks[block_count++] = *info;
    return block_count < MOST_BLOCKS;
}

/* The blocks that are made here come first: how many others there are depends on who runs the harness. */
void report_fault_start(void)
{
    for (unsigned i = 0; i < 24; i++)
        made[i] = i % 3 == 0 ? new_one(i * 50) : i % 3 == 1 ? new_array(i * 3000) : calloc(i, 9);
    for (unsigned i = 0; i < 24; i += 4)
        i % 3 == 0 ? delete_one(made[i]) : i % 3 == 1 ? delete_array(made[i]) : free(made[i]);
    struct pw_image image = pw_image_self();
    (void)pw_image_walk(&image, note, &(bool){true});
    if (block_count < MOST_BLOCKS)
        (void)pw_image_walk(&image, note, &(bool){false});
    FUZZ_CHECK(block_count > 0, "a heap without blocks");
    code[0] = (uint64_t)(uintptr_t)&report_fault_start + 9;
    code[1] = (uint64_t)(uintptr_t)&LLVMFuzzerTestOneInput + 5;
    code[2] = (uint64_t)(uintptr_t)&report_fault_take + 1;
    code[3] = (uint64_t)(uintptr_t)dlsym(RTLD_DEFAULT, "printf") + 2;
    code[4] = (uint64_t)(uintptr_t)dlsym(RTLD_DEFAULT, "qsort") + 7;
    code[5] = (uint64_t)(uintptr_t)made; /* no code */
    code[6] = 0x1234;
    code[7] = 0;
}

static uint64_t take_long(struct fuzz_input *input)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < 8; i++)
        value = value << 8 | fuzz_byte(input);
    return value;
}

static uint64_t take_number(struct fuzz_input *input)
{
    uint8_t first = fuzz_byte(input);
    return first < 240 ? first : take_long(input);
}

static uint64_t take_code(struct fuzz_input *input)
{
    uint8_t which = fuzz_byte(input);
    return which < 250 ? code[which % PLACES] : take_long(input);
}

uint32_t report_stack_take(struct fuzz_input *input)
{
    uint8_t which = fuzz_byte(input);
    const struct pw_block_info *block = &blocks[which % block_count];
    return which < 220 ? (which % 2 == 0 ? block->alloc_stack : block->free_stack) : (uint32_t)which << 9;
}

static void take_block(struct fuzz_input *input, struct pw_block_info *block)
{
    uint8_t which = fuzz_byte(input), changes = fuzz_byte(input);
    if (which % 4 == 3)
        return; /* there is none */
    *block = blocks[which % block_count];
    if (changes % 2 == 0)
        return;
    block->state = fuzz_byte(input);
    block->flags = fuzz_byte(input);
    block->family = (enum pw_family)(fuzz_byte(input) % 5);
    block->sealed = (changes & 2) != 0;
    block->has_evidence = (changes & 4) != 0;
    block->alloc_thread = fuzz_word(input);
    block->alloc_stack = report_stack_take(input);
    block->free_stack = report_stack_take(input);
    block->number = fuzz_byte(input);
    if ((changes & 8) != 0)
        block->size = take_number(input);
}

static void take_damage(struct fuzz_input *input, struct pw_fault *fault)
{
    struct pw_damage *damage = &fault->damage;
    uint8_t shape = fuzz_byte(input);
    damage->start = (shape & 1) != 0 ? fault->address : 0;
    damage->length = take_number(input);
    damage->damaged = fuzz_byte(input);
    if (damage->damaged > damage->length)
        damage->damaged = damage->length;
    damage->window = damage->start & -(uint64_t)16;
    damage->window_bytes = (shape & 2) != 0 ? shape >> 2 : 0;
    uint8_t fill = fuzz_byte(input), step = fuzz_byte(input);
    for (unsigned i = 0; i < damage->window_bytes; i++) {
        damage->expected[i] = (uint8_t)(i * 31 + 7);
        damage->is_known[i] = (fill >> i % 8) & 1;
        damage->found[i] = step >= 200 ? fuzz_byte(input) : (uint8_t)(i / 8 % 2 == 0 ? step * i : damage->expected[i]);
    }
    if (step % 8 == 7 && damage->window_bytes >= 24) /* an address */
        for (unsigned i = 0; i < 8; i++)
            damage->found[8 + i] = (uint8_t)(code[fill % PLACES] >> 8 * i);
}

/* What the damaged bytes of a picture are: the patterns that a reader would know. */
/* make_seeds reads this list: one a line. */
enum shape {
    SHAPE_AS_TAKEN,
    SHAPE_DOUBLES,
    SHAPE_NEGATIVE,
    SHAPE_HUGE,
    SHAPE_FLOATS,
    SHAPE_SMALL,
    SHAPE_TEXT,
    SHAPE_CODE,
    SHAPE_ADDRESS,
    SHAPE_COUNT
};

static void fill_words(struct pw_damage *damage, const void *word, uint32_t width, uint32_t words)
{
    memset(damage->is_known, 0, sizeof damage->is_known);
    memset(damage->expected, 0xfd, sizeof damage->expected);
    for (uint32_t i = 0; i < words * width && i < PW_DAMAGE_WINDOW; i++) {
        damage->found[i] = ((const uint8_t *)word)[i % width];
        damage->is_known[i] = 1;
    }
    damage->window_bytes = PW_DAMAGE_WINDOW;
    if (damage->damaged == 0)
        damage->damaged = damage->length = 1;
}

static void take_shape(struct fuzz_input *input, struct pw_fault *fault)
{
    static const double reals[] = {0.5, -2.75, 1e12, 3.25};
    static const char text[8] = "a\"b\n\t\\z";
    enum shape shape = (enum shape)(fuzz_byte(input) % SHAPE_COUNT);
    uint32_t words = 1u + fuzz_byte(input) % 8u;
    float real = 1.5f;
    int32_t small = -7;
    uint64_t at = fuzz_byte(input), address = fault->block.address + at;
    struct pw_damage *damage = &fault->damage;
    if (shape >= SHAPE_DOUBLES && shape <= SHAPE_HUGE)
        fill_words(damage, &reals[shape - SHAPE_DOUBLES], sizeof reals[0], words);
    else if (shape == SHAPE_FLOATS)
        fill_words(damage, &real, sizeof real, words);
    else if (shape == SHAPE_SMALL)
        fill_words(damage, &small, sizeof small, words);
    else if (shape == SHAPE_TEXT)
        fill_words(damage, text, sizeof text, words);
    else if (shape == SHAPE_CODE)
        fill_words(damage, &code[at % PLACES], sizeof code[0], 1);
    else if (shape == SHAPE_ADDRESS)
        fill_words(damage, &address, sizeof address, 1);
    damage->pointee = (struct pw_pointee){shape == SHAPE_ADDRESS && fault->block.known, fault->block.state,
                                          fault->block.address, fault->block.size};
}

/* What is seldom: nothing of it where the input has ended. */
static void take_rest(struct fuzz_input *input, struct pw_fault *fault)
{
    uint8_t flags = fuzz_byte(input);
    fault->is_poison = (flags & 1) != 0;
    fault->is_zone = (flags & 2) != 0;
    fault->block.is_renewed = (flags & 4) != 0;
    fault->block.alignment = (flags & 8) != 0 ? 64 : 0;
    if ((flags & 16) != 0)
        fault->damage.start = fault->address;
    take_shape(input, fault);
}

static uint32_t take_past(struct fuzz_input *input, struct pw_past list[PW_PAST_SHOWN])
{
    uint32_t count = fuzz_byte(input) % (PW_PAST_SHOWN + 1);
    for (uint32_t i = 0; i < count; i++)
        list[i] = (struct pw_past){.time = 1000 - i, .address = blocks[(count + i) % block_count].address,
                                   .size = fuzz_byte(input), .stack = report_stack_take(input),
                                   .thread = fuzz_byte(input) % 4, .operation = fuzz_byte(input) % PW_OP_COUNT};
    return count;
}

static void take_finder(struct fuzz_input *input, struct pw_fault *fault)
{
    static const char *const functions[] = {"memcpy", "strcpy", "read", "snprintf"};
    fault->operation = (enum pw_operation)(fuzz_byte(input) % PW_OP_COUNT);
    if (fault->operation == PW_OP_LIBC)
        fault->function = functions[fuzz_byte(input) % 4];
    fault->thread = fuzz_byte(input) % 5;
    uint8_t frames = fuzz_byte(input);
    fault->frame_count = frames < 250 ? frames % 8 : PW_MAX_FRAMES;
    for (uint32_t i = 0; i < fault->frame_count; i++)
        fault->frames[i] = take_code(input);
}

void report_fault_take(struct fuzz_input *input, struct pw_fault *fault)
{
    static const char *const rules[] = {"its size is 0", "the bitmap of block starts does not know it"};
    static const char *const places[] = {NULL, "the stack of thread T0", "data of /usr/lib/x.so"};
    *fault = (struct pw_fault){.kind = (enum pw_kind)(1 + fuzz_byte(input) % (PW_KIND_COUNT - 1))};
    uint8_t flags = fuzz_byte(input);
    fault->is_certain = (flags & 1) == 0;
    fault->is_watched = (flags & 2) != 0;
    fault->is_passed_on = (flags & 4) != 0;
    fault->access = (enum pw_access)(flags / 8 % 3);
    take_finder(input, fault);
    take_block(input, &fault->block);
    take_block(input, &fault->before);
    take_block(input, &fault->after);
    fault->relation = (enum pw_relation)(fault->block.known ? fuzz_byte(input) % 4 : 0);
    fault->offset = take_number(input);
    fault->address = fault->block.known && (flags & 64) == 0 ? fault->block.address + fault->offset : take_number(input);
    fault->access_size = take_number(input);
    fault->pc = take_code(input);
    take_damage(input, fault);
    fault->released_as = (enum pw_family)(fuzz_byte(input) % 4);
    fault->given_size = take_number(input);
    fault->given_alignment = take_number(input);
    if (fault->kind == PW_KIND_HEADER)
        fault->broken_rule = rules[fuzz_byte(input) % 2];
    fault->place = places[fuzz_byte(input) % 3];
    fault->past_here_count = take_past(input, fault->past_here);
    fault->past_thread_count = take_past(input, fault->past_thread);
    take_rest(input, fault);
}
