/*
 * parser.c - a small parser with five heap bugs planted in it, all of which plain glibc survives in silence: what
 * `run` fuzzes with and without the library.
 *
 * Input: records of a letter, a length byte and that many bytes.
 *
 *   N name     copied without room for the NUL it gets            overflow by one (bug 1)
 *   T table    of 20 bytes, the index is checked against 24       write up to 3 bytes behind the end (bug 2)
 *   L link     a node is marked after it was freed                use after free: a write (bug 3)
 *   B back     steps back over spaces to before the start         underflow by one (bug 4)
 *   P pair     a value of 8 bytes is copied into room for 7       overflow by one (bug 5)
 *
 * With -i the numbers of the bugs that the input triggers are printed on stderr, for `run` to count what was found.
 * -DPERSISTENT: AFL++'s persistent mode; else a process an input. -DMENDED: without the bugs, to compare speeds, for
 * where some are found the fuzzers go different ways.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef PERSISTENT
__AFL_FUZZ_INIT();
#endif

enum { MOST_BYTES = 4096 };

#ifdef MENDED
enum { IS_MENDED = 1 };
#else
enum { IS_MENDED = 0 };
#endif

static unsigned triggered; /* a bit a bug */

struct state {
    char *name;
    unsigned checksum;
};

static void take_name(struct state *state, const uint8_t *bytes, size_t count)
{
    if (count == 0 || count % 16 == 8)
        return; /* glibc has no byte to spare behind such a block, and would notice */
    free(state->name);
    state->name = malloc(count + IS_MENDED);
    memcpy(state->name, bytes, count);
    state->name[count] = '\0';
    triggered |= 1u << 1;
}

static void take_table(struct state *state, const uint8_t *bytes, size_t count)
{
    enum { ENTRIES = 20 };
    if (count < 3 || bytes[0] != '#')
        return;
    uint8_t *table = calloc(1, ENTRIES);
    for (size_t i = 1; i < count; i++) {
        size_t index = bytes[i];
        if (index > (IS_MENDED ? ENTRIES - 1 : ENTRIES + 3))
            continue;
        if (index >= ENTRIES)
            triggered |= 1u << 2;
        table[index]++;
    }
    state->checksum += table[3];
    free(table);
}

static void take_link(struct state *state, const uint8_t *bytes, size_t count)
{
    if (count < 2 || bytes[0] != '-' || bytes[1] != '>')
        return;
    char *node = malloc(40);
    memset(node, 0, 40);
    if (IS_MENDED)
        node[32] = 1;
    free(node);
    if (!IS_MENDED)
        node[32] = 1; /* glibc keeps its links in the first 16 bytes */
    triggered |= 1u << 3;
    state->checksum++;
}

static void take_back(struct state *state, const uint8_t *bytes, size_t count)
{
    if (count == 0 || count > 64)
        return;
    char *line = malloc(count);
    memcpy(line, bytes, count);
    size_t end = count;
    while (end > 0 && line[end - 1] == ' ')
        end--;
    if (end == 0 && count > 1) {
        line[IS_MENDED - 1] = 0; /* of the size's highest byte, which is 0 */
        triggered |= 1u << 4;
    }
    state->checksum += (unsigned)end;
    free(line);
}

static void take_pair(struct state *state, const uint8_t *bytes, size_t count)
{
    const uint8_t *equals = memchr(bytes, '=', count);
    if (equals == NULL)
        return;
    size_t value = count - (size_t)(equals + 1 - bytes);
    char *room = malloc(7 + IS_MENDED);
    size_t copied = value < 8 ? value : 8;
    memcpy(room, equals + 1, copied);
    if (copied == 8)
        triggered |= 1u << 5;
    state->checksum += (unsigned char)room[0];
    free(room);
}

static void parse(const uint8_t *bytes, size_t count)
{
    struct state state = {.name = NULL};
    for (size_t at = 0; at + 2 <= count;) {
        size_t length = bytes[at + 1];
        const uint8_t *body = bytes + at + 2;
        if (length > count - at - 2)
            length = count - at - 2;
        switch (bytes[at]) {
        case 'N':
            take_name(&state, body, length);
            break;
        case 'T':
            take_table(&state, body, length);
            break;
        case 'L':
            take_link(&state, body, length);
            break;
        case 'B':
            take_back(&state, body, length);
            break;
        case 'P':
            take_pair(&state, body, length);
            break;
        default:
            break;
        }
        at += 2 + length;
    }
    free(state.name);
}

int main(int count, char **arguments)
{
#ifdef PERSISTENT
    (void)count;
    (void)arguments;
    __AFL_INIT();
    const uint8_t *input = __AFL_FUZZ_TESTCASE_BUF;
    while (__AFL_LOOP(10000))
        parse(input, (size_t)__AFL_FUZZ_TESTCASE_LEN);
#else
    static uint8_t input[MOST_BYTES];
    ssize_t bytes = read(STDIN_FILENO, input, sizeof input);
    parse(input, bytes > 0 ? (size_t)bytes : 0);
    for (unsigned bug = 1; count > 1 && strcmp(arguments[1], "-i") == 0 && bug <= 5; bug++)
        if ((triggered >> bug & 1) != 0)
            fprintf(stderr, "bug %u\n", bug);
#endif
    return 0;
}
