/* spec.c - see spec.h */
#include "death/spec.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_BYTES = 4 << 20 };

static const struct {
    const char *name;
    int status;
} endings[] = {{"SIGABRT", -SIGABRT}, {"SIGSEGV", -SIGSEGV}, {"SIGBUS", -SIGBUS}};

static void refuse(const char *path, const char *line)
{
    (void)fprintf(stderr, "%s: don't understand: %s\n", path, line);
    exit(2);
}

static char *text_of(const char *path)
{
    FILE *file = fopen(path, "r");
    char *text = calloc(1, FILE_BYTES);
    if (file == NULL || text == NULL || fread(text, 1, FILE_BYTES - 1, file) == 0) {
        perror(path);
        exit(2);
    }
    (void)fclose(file);
    return text;
}

static const char *after(const char *line, const char *word)
{
    size_t length = strlen(word);
    return strncmp(line, word, length) == 0 ? line + length : NULL;
}

static int parse_ending(const char *path, const char *words)
{
    int status;
    if (sscanf(words, "exit %d", &status) == 1)
        return status;
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++)
        if (strcmp(words, endings[i].name) == 0)
            return endings[i].status;
    refuse(path, words);
    return 0;
}

static void parse_run(const char *path, struct spec *spec, const char *words)
{
    struct spec_run *run = &spec->runs[spec->run_count++];
    (void)strcpy(run->program, "death_bugs");
    if (spec->run_count > SPEC_RUNS || sscanf(words, "%63s %159s", run->bug, run->check) != 2)
        refuse(path, words);
    if (strncmp(run->check, "linked", 6) == 0)
        (void)strcpy(run->program, "death_linked");
}

/* One line of the part above the text; false: the text begins here. */
static bool parse_field(const char *path, struct spec *spec, const char *line)
{
    const char *words;
    if ((words = after(line, "run: ")) != NULL)
        parse_run(path, spec, words);
    else if ((words = after(line, "ends: ")) != NULL)
        spec->status = parse_ending(path, words);
    else if ((words = after(line, "clean: ")) != NULL)
        spec->clean_status = parse_ending(path, words);
    else if (after(line, "needs: breakpoint") != NULL)
        spec->needs_breakpoint = true;
    else if (after(line, "needs: markers") != NULL)
        spec->needs_markers = true;
    else
        return false;
    return true;
}

static void parse_section(const char *path, struct spec *spec, char *text)
{
    char *line = text;
    for (char *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        if (line == text)
            spec->sentence = strdup(line);
        else if (!parse_field(path, spec, line)) {
            *end = '\n';
            break;
        }
    }
    size_t length = strlen(line);
    if (length > 1 && strcmp(line + length - 2, "\n\n") == 0)
        line[length - 1] = '\0'; /* the blank line between sections */
    spec->expected = strdup(strcmp(line, "\n") == 0 ? "" : line);
    if (spec->run_count == 0)
        refuse(path, text);
}

struct specs specs_read(const char *path)
{
    struct specs specs = {.all = NULL};
    char *text = text_of(path);
    char *section = strstr(text, "\n=== ");
    if (section == NULL)
        refuse(path, "no section");
    specs.comment = strndup(text, (size_t)(++section - text));
    while (section != NULL) {
        char *next = strstr(section, "\n=== ");
        if (next != NULL)
            *++next = '\0';
        specs.all = realloc(specs.all, (specs.count + 1) * sizeof *specs.all);
        struct spec *spec = &specs.all[specs.count++];
        *spec = (struct spec){.run_count = 0};
        parse_section(path, spec, section + 4);
        if (next != NULL)
            *next = '=';
        section = next;
    }
    return specs;
}

static void write_ending(FILE *file, const char *field, int status)
{
    if (status >= 0)
        (void)fprintf(file, "%s: exit %d\n", field, status);
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++)
        if (status == endings[i].status)
            (void)fprintf(file, "%s: %s\n", field, endings[i].name);
}

void specs_write(const char *path, const struct specs *specs)
{
    FILE *file = fopen(path, "w");
    if (file == NULL) {
        perror(path);
        exit(2);
    }
    (void)fputs(specs->comment, file);
    for (size_t i = 0; i < specs->count; i++) {
        const struct spec *spec = &specs->all[i];
        (void)fprintf(file, "%s=== %s\n", i == 0 ? "" : "\n", spec->sentence);
        for (size_t j = 0; j < spec->run_count; j++)
            (void)fprintf(file, "run: %s %s\n", spec->runs[j].bug, spec->runs[j].check);
        write_ending(file, "ends", spec->status);
        if (spec->clean_status != 0)
            write_ending(file, "clean", spec->clean_status);
        if (spec->needs_breakpoint)
            (void)fputs("needs: breakpoint\n", file);
        if (spec->needs_markers)
            (void)fputs("needs: markers\n", file);
        (void)fputs(spec->expected, file);
    }
    (void)fclose(file);
}
