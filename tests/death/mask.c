/* mask.c - see mask.h */
#include "death/mask.h"

#include <ctype.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { GROUPS = 6, LINE_BYTES = 4096, NEAR_BYTES = 1 << 24 };

/* -- Places in the source */

/* The mark at the end of a line of a source file; "…" when it has none. */
static void read_mark(const struct mask *mask, const char *file, int wanted, char *mark, size_t size)
{
    char path[LINE_BYTES], line[LINE_BYTES];
    const char *slash = strrchr(file, '/');
    (void)snprintf(path, sizeof path, "%s/%s", mask->source, slash != NULL ? slash + 1 : file);
    (void)snprintf(mark, size, "…");
    FILE *source = fopen(path, "r");
    if (source == NULL)
        return;
    for (int number = 1; fgets(line, sizeof line, source) != NULL; number++) {
        const char *comment = strstr(line, "// ");
        if (number == wanted && comment != NULL)
            (void)snprintf(mark, size, "%.*s", (int)strcspn(comment + 3, "\n"), comment + 3);
    }
    (void)fclose(source);
}

/* A place of the test program, as the expected reports name it. */
struct place {
    char function[256];
    char mark[256];
};

/* Where the code at an offset of the program comes from, by binutils. */
static struct place place_of_offset(const struct mask *mask, const char *offset)
{
    struct place place = {.function = ""};
    char command[LINE_BYTES], line[LINE_BYTES] = "";
    (void)snprintf(command, sizeof command, "addr2line -f -e '%s' %s", mask->program, offset);
    FILE *tool = popen(command, "r");
    if (tool != NULL && fgets(place.function, sizeof place.function, tool) != NULL)
        place.function[strcspn(place.function, "\n")] = '\0';
    if (tool == NULL || fgets(line, sizeof line, tool) == NULL)
        line[0] = '\0';
    if (tool != NULL)
        (void)pclose(tool);
    char *colon = strrchr(line, ':');
    if (colon != NULL)
        *colon = '\0';
    read_mark(mask, line, colon != NULL ? atoi(colon + 1) : 0, place.mark, sizeof place.mark);
    return place;
}

/* The library's word for the function is taken, if it had one. */
static struct place place_of(const struct mask *mask, const char *offset, const char *function)
{
    struct place place = place_of_offset(mask, offset);
    if (function[0] != '\0')
        (void)snprintf(place.function, sizeof place.function, "%s", function);
    return place;
}

static bool is_source(const struct mask *mask, const char *file)
{
    char path[LINE_BYTES];
    const char *slash = strrchr(file, '/');
    (void)snprintf(path, sizeof path, "%s/%s", mask->source, slash != NULL ? slash + 1 : file);
    return access(path, R_OK) == 0;
}

/* -- Addresses */

static unsigned long long find_base(const char *report)
{
    static const char *const before[] = {"-byte block [0x", "-byte region [0x", "\"block\":{\"addr\":\"0x"};
    for (size_t i = 0; i < sizeof before / sizeof before[0]; i++) {
        const char *at = strstr(report, before[i]);
        if (at != NULL)
            return strtoull(at + strlen(before[i]), NULL, 16);
    }
    return 0;
}

static void put_address(FILE *out, unsigned long long address, unsigned long long base)
{
    long long distance = (long long)(address - base);
    if (address >> 47 != 0 || address < 4096)
        (void)fprintf(out, "0x%llx", address); /* no address of anything */
    else if (base == 0 || llabs(distance) > NEAR_BYTES)
        (void)fputs("0x…", out);
    else if (distance == 0)
        (void)fputs("P", out);
    else
        (void)fprintf(out, "P%+lld", distance);
}

/* The size of a block that reaches farther than what is near: all that was never used. */
static bool is_far_size(const char *at, unsigned long long base)
{
    const char *end = at + strspn(at, "0123456789");
    unsigned long long from = 0, to = 0;
    if (strncmp(end, " bytes, heap", 12) == 0)
        return strtoull(at, NULL, 10) > NEAR_BYTES;
    return (sscanf(end, "-byte block [%llx,%llx)", &from, &to) == 2) && base != 0 && to - base > NEAR_BYTES;
}

static bool is_number_to_hide(const char *line, const char *at)
{
    static const char *const before[] = {"allocation number ", ", heap ", ", region ", "/log.", "=="};
    for (size_t i = 0; i < sizeof before / sizeof before[0]; i++) {
        size_t length = strlen(before[i]);
        if ((size_t)(at - line) >= length && strncmp(at - length, before[i], length) == 0)
            return true;
    }
    return false;
}

static void put_masked(FILE *out, const char *line, unsigned long long base)
{
    for (const char *at = line; *at != '\0';) {
        char *end = (char *)at + 1;
        if (strncmp(at, "0x", 2) == 0 && isxdigit((unsigned char)at[2]))
            put_address(out, strtoull(at, &end, 16), base);
        else if (isdigit((unsigned char)*at) && (at == line || !isdigit((unsigned char)at[-1])) &&
                 (is_number_to_hide(line, at) || is_far_size(at, base)))
            (void)fprintf(out, "%s", strtoull(at, &end, 10) != 0 && at[-1] == '=' ? "PID" : "…");
        else
            (void)fputc(*at, out);
        at = end;
    }
}

/* -- Lines */

struct masking {
    const struct mask *mask;
    FILE *out;
    unsigned long long base;
    bool is_done;    /* the rest of this stack is left out */
    bool is_outside; /* the frame before was */
    bool is_counted; /* none before was, so its number is the same everywhere */
};

static regex_t patterns[6];
enum { FRAME, FRAME_WITH_PLACE, SUMMARY, SUMMARY_WITH_PLACE, IDLE, JSON_FRAME };

static void make_patterns(void)
{
    static bool are_made;
    static const char *const texts[] = {
        "^    #([0-9]+) 0x[0-9a-f]{12} (in ([^ ]+)|) \\((.+)\\+(0x[0-9a-f]+)\\)( \\(BuildId: [0-9a-f]+\\))?$",
        "^    #([0-9]+) 0x[0-9a-f]{12} in ([^ ]+) ([^ (].*[^0-9:]):([0-9]+)(:[0-9]+)?$",
        "^(SUMMARY: [A-Za-z]+: [^ ]+) \\((.+)\\+(0x[0-9a-f]+)\\)( in ([^ ]+))?$",
        "^(SUMMARY: [A-Za-z]+: [^ ]+) ([^ (].*):([0-9]+):[0-9]+ in ([^ ]+)$",
        "^block (before|after) it: (none|0x[0-9a-f]{12}, (cached|free), [0-9]+ bytes, .*)$",
        ("^\\{\"pc\":\"0x[0-9a-f]+\",\"module\":\"([^\"]*)\",\"build_id\":\"[0-9a-f]+\",\"offset\":\"(0x[0-9a-f]+)\","
        "\"function\":(\"([^\"]*)\"|null),\"file\":(\"[^\"]+\"|null),\"line\":([0-9]+|null),\"column\":([0-9]+|null)\\}"),
    };
    for (size_t i = 0; !are_made && i < sizeof texts / sizeof texts[0]; i++)
        if (regcomp(&patterns[i], texts[i], REG_EXTENDED) != 0)
            abort();
    are_made = true;
}

struct groups {
    char text[GROUPS + 1][LINE_BYTES];
};

static bool fits(int pattern, const char *line, struct groups *groups)
{
    regmatch_t found[GROUPS + 1];
    if (regexec(&patterns[pattern], line, GROUPS + 1, found, 0) != 0)
        return false;
    for (size_t i = 0; i <= GROUPS; i++)
        (void)snprintf(groups->text[i], LINE_BYTES, "%.*s",
                       found[i].rm_so < 0 ? 0 : (int)(found[i].rm_eo - found[i].rm_so),
                       found[i].rm_so < 0 ? "" : line + found[i].rm_so);
    return true;
}

static void put_frame(struct masking *masking, const char *number, const struct place *place)
{
    masking->is_outside = false;
    if (strcmp(place->function, "main") == 0)
        masking->is_done = true;
    else
        (void)fprintf(masking->out, "    #%s in %s at %s\n", masking->is_counted ? number : "…",
                      place->function, place->mark);
}

static void put_foreign(struct masking *masking, const char *module)
{
    if (strstr(module, "libpwheap.so") != NULL)
        (void)fputs("    (in libpwheap)\n", masking->out);
    else if (!masking->is_outside)
        (void)fputs("    (outside)\n", masking->out);
    masking->is_outside = true;
    masking->is_counted = false;
}

/* A frame with file and line: of ours, or of a libc that has debug information. */
static void mask_frame_with_place(struct masking *masking, struct groups *groups)
{
    struct place place;
    if (!is_source(masking->mask, groups->text[3])) {
        put_foreign(masking, groups->text[3]);
        return;
    }
    (void)snprintf(place.function, sizeof place.function, "%.255s", groups->text[2]);
    read_mark(masking->mask, groups->text[3], atoi(groups->text[4]), place.mark, sizeof place.mark);
    put_frame(masking, groups->text[1], &place);
}

/* A frame; false: the line is none, or not as it should be. */
static bool mask_frame(struct masking *masking, const char *line)
{
    struct groups groups;
    if (strncmp(line, "    #", 5) != 0)
        return false;
    if (masking->is_done)
        return true;
    if (masking->mask->is_symbolized && fits(FRAME_WITH_PLACE, line, &groups)) {
        mask_frame_with_place(masking, &groups);
        return true;
    }
    if (!fits(FRAME, line, &groups))
        return false;
    bool is_own = strcmp(groups.text[4], masking->mask->program) == 0;
    struct place place = {.function = "_start"};
    if (is_own)
        place = place_of(masking->mask, groups.text[5], groups.text[3]);
    if (strcmp(place.function, "_start") == 0)
        put_foreign(masking, groups.text[4]);
    else if (masking->mask->is_symbolized)
        return false;
    else
        put_frame(masking, groups.text[1], &place);
    return true;
}

static bool mask_summary(struct masking *masking, const char *line)
{
    struct groups groups;
    struct place place;
    if (masking->mask->is_symbolized && fits(SUMMARY_WITH_PLACE, line, &groups) &&
        is_source(masking->mask, groups.text[2])) {
        read_mark(masking->mask, groups.text[2], atoi(groups.text[3]), place.mark, sizeof place.mark);
        (void)fprintf(masking->out, "%s at %s in %s\n", groups.text[1], place.mark, groups.text[4]);
        return true;
    }
    if (!fits(SUMMARY, line, &groups))
        return false;
    if (strcmp(groups.text[2], masking->mask->program) != 0) {
        (void)fprintf(masking->out, "%s (outside)\n", groups.text[1]);
        return true;
    }
    if (masking->mask->is_symbolized)
        return false;
    place = place_of(masking->mask, groups.text[3], groups.text[5]);
    (void)fprintf(masking->out, "%s at %s in %s\n", groups.text[1], place.mark, place.function);
    return true;
}

/* A frame of a JSON report: where it ends; NULL: it is none. */
static const char *mask_json_frame(struct masking *masking, const char *at)
{
    struct groups groups;
    struct place place = {.function = ""};
    if (!fits(JSON_FRAME, at, &groups))
        return NULL;
    bool is_own = strcmp(groups.text[1], masking->mask->program) == 0;
    if (is_own)
        place = place_of(masking->mask, groups.text[2], groups.text[4]);
    if (!is_own || strcmp(place.function, "_start") == 0)
        (void)fputs("outside", masking->out);
    else if (masking->mask->is_symbolized != (strcmp(groups.text[5], "null") != 0))
        (void)fputs("without its line", masking->out);
    else
        (void)fprintf(masking->out, "%s at %s", place.function, place.mark);
    return at + strlen(groups.text[0]);
}

/* A JSON report, a member a line, so that people can read it. */
static bool mask_json(struct masking *masking, const char *line)
{
    static const char *const hidden[] = {"\"pid\":", "\"time\":", "\"heap\":", "\"region\":", "\"seq\":",
                                         "\"fingerprint\":"};
    if (line[0] != '{')
        return false;
    int depth = 0;
    for (const char *at = line; *at != '\0';) {
        const char *end = mask_json_frame(masking, at);
        for (size_t i = 0; end == NULL && i < sizeof hidden / sizeof hidden[0]; i++)
            if (strncmp(at, hidden[i], strlen(hidden[i])) == 0) {
                (void)fprintf(masking->out, "%s…", hidden[i]);
                end = at + strcspn(at, ",}");
            }
        if (end == NULL && strncmp(at, "\"0x", 3) == 0) {
            (void)fputc('"', masking->out);
            put_address(masking->out, strtoull(at + 1, (char **)&end, 16), masking->base);
        } else if (end == NULL) {
            depth += strchr("{[", *at) != NULL ? 1 : strchr("}]", *at) != NULL ? -1 : 0;
            (void)fputs(depth == 1 && strncmp(at, ",\"", 2) == 0 ? ",\n  " : (char[2]){*at, '\0'}, masking->out);
            end = at + 1;
        }
        at = end;
    }
    (void)fputc('\n', masking->out);
    return true;
}

static void mask_plain_line(struct masking *masking, const char *line)
{
    struct groups groups;
    if (mask_frame(masking, line))
        return;
    masking->is_done = masking->is_outside = false;
    masking->is_counted = true;
    if (mask_json(masking, line) || mask_summary(masking, line))
        return;
    if (fits(IDLE, line, &groups)) {
        (void)fprintf(masking->out, "block %s it: …\n", groups.text[1]);
        return;
    }
    put_masked(masking->out, line, masking->base);
    (void)fputc('\n', masking->out);
}

/* Colours of a whole line become their numbers before it. */
static void mask_line(struct masking *masking, char *line)
{
    static const char reset[] = "\033[0m";
    size_t length = strlen(line);
    unsigned number;
    int used;
    if (length > 4 && strcmp(line + length - 4, reset) == 0 && line[0] == '\033') {
        line[length - 4] = '\0';
        for (; sscanf(line, "\033[%u%n", &number, &used) == 1 && line[used] == 'm'; line += used + 1)
            (void)fprintf(masking->out, "{%u}", number);
    }
    mask_plain_line(masking, line);
}

char *mask_report(const struct mask *mask, const char *report)
{
    char *text = NULL;
    size_t length = 0;
    struct masking masking = {.mask = mask, .base = find_base(report), .is_counted = true};
    make_patterns();
    masking.out = open_memstream(&text, &length);
    char *copy = strdup(report), *rest = copy;
    for (char *line; masking.out != NULL && (line = strsep(&rest, "\n")) != NULL;)
        if (rest != NULL || *line != '\0')
            mask_line(&masking, line);
    free(copy);
    (void)fclose(masking.out);
    return text;
}
