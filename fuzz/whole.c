/*
 * whole.c - operations on the whole heap: trim, leaks, snapshots, differences, figures. Each costs as much as
 * thousands of calls, so a program does one of them at most, and only one that looks (program.c).
 */
#include "calls.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static bool swallow(void *context, const struct pwheap_error *error)
{
    (void)context;
    return error->text_length > 0;
}

/* With the only pointer to one block hidden that block, or nothing, is a leak: some copy of it may lie on a stack. */
static void look_for_leaks(struct program *program)
{
    static const char *const formats[] = {"text", "asan", "json"};
    static unsigned char *hidden[MODEL_SLOTS];
    uint8_t choice = fuzz_byte(&program->input);
    unsigned slot = choice % MODEL_SLOTS;
    if (program->plant != NULL)
        return; /* corrupt.c has a callback of its own */
    for (unsigned i = 0; i < MODEL_SLOTS && model.slots[slot].block == NULL; i++)
        slot = (slot + 1) % MODEL_SLOTS;
    (void)pwheap_option_set("report_format", formats[choice / MODEL_SLOTS % 3]);
    (void)pwheap_set_error_callback(swallow, NULL);
    hidden[slot] = (unsigned char *)~(uintptr_t)model.slots[slot].block;
    model.slots[slot].block = NULL;
    size_t leaks = pwheap_leak_check();
    model.slots[slot].block = (unsigned char *)~(uintptr_t)hidden[slot];
    hidden[slot] = NULL;
    (void)pwheap_set_error_callback(NULL, NULL);
    FUZZ_CHECK(leaks <= 1, "%zu leaks, and one pointer was hidden", leaks);
}

/* A file that begins as a core does, or none. */
static void make_snapshot(const struct program *program)
{
    char path[64], head[4] = "";
    snprintf(path, sizeof path, "/dev/shm/pwheap-fuzz.%ld", (long)getpid());
    int result = pwheap_dump(path), fd = open(path, O_RDONLY | O_CLOEXEC);
    FUZZ_CHECK((result == 0) == (fd >= 0), "a snapshot answers %d, and its file %s there", result, fd < 0 ? "isn't" : "is");
    FUZZ_CHECK(result == 0 || program->maps_fail || errno == ENOSPC, "no snapshot, errno %d", errno);
    FUZZ_CHECK(fd < 0 || (read(fd, head, 4) == 4 && head[0] == 0x7f && head[1] == 'E'), "a snapshot is no ELF file");
    if (fd >= 0)
        close(fd);
    unlink(path);
}

/* What is allocated after a checkpoint, and nothing else, is told as the difference. */
static void tell_difference(const struct program *program)
{
    void *kept[5];
    unsigned count = 0;
    struct pwheap_checkpoint *before = pwheap_checkpoint();
    if (before == NULL) {
        FUZZ_CHECK(errno == ENOTSUP || program->maps_fail, "no checkpoint, errno %d", errno);
        return;
    }
    for (unsigned i = 0; i < 5; i++)
        count += (kept[i] = malloc(100 + i)) != NULL;
    size_t blocks = pwheap_diff(before, NULL, NULL);
    for (unsigned i = 0; i < 5; i++)
        free(kept[i]);
    FUZZ_CHECK(blocks == count, "%zu blocks since a checkpoint, and there are %u", blocks, count);
    FUZZ_CHECK(pwheap_diff(before, NULL, NULL) == 0, "blocks since a checkpoint that were freed");
    pwheap_checkpoint_free(before);
}

static void count_all(const struct program *program)
{
    static struct pwheap_statistics figures;
    pwheap_stats(&figures);
    size_t wanted = model.foreign_blocks + model_count();
    FUZZ_CHECK(program->is_damaged || figures.live_blocks == wanted, "the figures have %zu live blocks of %zu",
               (size_t)figures.live_blocks, wanted);
    (void)mallinfo2();
}

void call_whole(struct program *program)
{
    uint8_t which = fuzz_byte(&program->input);
    if (!program->looks || program->wholes++ > 0)
        return;
    switch (which % 5) {
    case 0:
        (void)malloc_trim(0);
        break;
    case 1:
        look_for_leaks(program);
        break;
    case 2:
        make_snapshot(program);
        break;
    case 3:
        tell_difference(program);
        break;
    default:
        count_all(program);
    }
}
