/*
 * options_parse.c - from strings to options, and the warnings about what is none.
 *
 * All sources are read three times over: for the level, which decides the defaults; for the values;
 * and, once all of them are set, for the warnings. Each time the same words give the same values.
 */
#include "diag/options.h"
#include "diag/options_table.h"

#include <string.h>

enum { MOST_WARNINGS = 16, SHOWN_COLUMNS = 66, MOST_COMPARED = 40, LINE_BYTES = 512 };
/* The longest line: fixed words 80, name 31, range 40, value 66 and the one that stays 66. */

enum pass { PASS_LEVEL, PASS_VALUES, PASS_WARNINGS };

struct parser {
    struct pw_options *options;
    enum pass pass;
    enum pw_level level; /* the last one seen */
    pw_options_warn warn;
    void *context;
    unsigned warnings;
};

/* ---- words ---- */

struct slice {
    const char *start;
    size_t length;
};

enum word_kind {
    WORD_END,
    WORD_ALONE,        /* name */
    WORD_PAIR,         /* name=value */
    WORD_UNCLOSED,     /* name="value and no quote to the end of the string */
    WORD_AFTER_QUOTES, /* name="value"more */
};
struct word {
    enum word_kind kind;
    struct slice name;
    struct slice value;
};

static bool is_separator(char c)
{
    return c == ' ' || c == ',' || c == ':' || c == '\t' || c == '\n';
}

static const char *skip_to_separator(const char *at)
{
    while (*at != '\0' && !is_separator(*at))
        at++;
    return at;
}

/* The value that starts at `at` behind a quote; returns where to go on. */
static const char *take_quoted(const char *at, struct word *word)
{
    const char *end = strchr(at + 1, *at);
    if (end == NULL) {
        word->kind = WORD_UNCLOSED;
        return at + strlen(at);
    }
    word->value = (struct slice){at + 1, (size_t)(end - at - 1)};
    const char *next = skip_to_separator(end + 1);
    if (next != end + 1)
        word->kind = WORD_AFTER_QUOTES;
    return next;
}

static const char *take_value(const char *at, struct word *word)
{
    word->kind = WORD_PAIR;
    if (*at == '"' || *at == '\'')
        return take_quoted(at, word);
    const char *end = skip_to_separator(at);
    word->value = (struct slice){at, (size_t)(end - at)};
    return end;
}

/* The next word at *cursor, which moves past it, and never past the NUL. */
static struct word next_word(const char **cursor)
{
    const char *at = *cursor;
    while (is_separator(*at))
        at++;
    struct word word = {.kind = WORD_ALONE, .name = {at, 0}};
    while (*at != '\0' && *at != '=' && !is_separator(*at))
        at++;
    word.name.length = (size_t)(at - word.name.start);
    if (*at == '=')
        at = take_value(at + 1, &word);
    else if (word.name.length == 0)
        word.kind = WORD_END;
    *cursor = at;
    return word;
}

/* ---- the nearest name ---- */

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static unsigned compared_length(struct slice slice)
{
    return slice.length < MOST_COMPARED ? (unsigned)slice.length : MOST_COMPARED;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Levenshtein's distance of the first MOST_COMPARED bytes, small letters or capital. */
static unsigned distance(struct slice a, struct slice b)
{
    unsigned row[MOST_COMPARED + 1]; /* row[j]: from the a so far to the first j bytes of b */
    unsigned a_length = compared_length(a);
    unsigned b_length = compared_length(b);
    for (unsigned j = 0; j <= b_length; j++)
        row[j] = j;
    for (unsigned i = 1; i <= a_length; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= b_length; j++) {
            unsigned replaced = diagonal + (lower(a.start[i - 1]) != lower(b.start[j - 1]));
            diagonal = row[j];
            row[j] = least(replaced, least(row[j], row[j - 1]) + 1);
        }
    }
    return row[b_length];
}

struct nearest {
    struct slice wanted;
    struct slice name;
    unsigned distance;
};

static void consider(struct nearest *nearest, struct slice name)
{
    unsigned a_length = compared_length(nearest->wanted);
    unsigned b_length = compared_length(name);
    unsigned at_least = a_length < b_length ? b_length - a_length : a_length - b_length;
    bool is_first = nearest->name.start == NULL;
    if (!is_first && at_least >= nearest->distance)
        return;
    unsigned d = distance(nearest->wanted, name);
    if (!is_first && d >= nearest->distance)
        return;
    nearest->name = name;
    nearest->distance = d;
}

static struct nearest nearest_option(struct slice wanted)
{
    struct nearest nearest = {.wanted = wanted};
    for (size_t i = 0; i < pw_option_table_length; i++) {
        const struct pw_option_info *info = &pw_option_table[i];
        if (info->type != PW_TYPE_GROUP)
            consider(&nearest, (struct slice){info->name, strlen(info->name)});
    }
    return nearest;
}

static struct nearest nearest_choice(struct slice wanted, const char *names)
{
    struct nearest nearest = {.wanted = wanted};
    struct slice name;
    for (uint64_t i = 0; (name.start = pw_option_choice(names, i, &name.length)) != NULL; i++)
        consider(&nearest, name);
    return nearest;
}

/* Near enough to be what was meant: at most every other byte differs. */
static bool is_near(const struct nearest *nearest)
{
    return nearest->distance <= (compared_length(nearest->wanted) + 1) / 2;
}

/* ---- warnings ---- */

/* Count a warning; false: it isn't the time for it, or there were enough. */
static bool may_warn(struct parser *p)
{
    return p->pass == PASS_WARNINGS && p->warn != NULL && ++p->warnings <= MOST_WARNINGS;
}

static void print_in_quotes(struct slice slice, struct pw_text *text)
{
    pw_option_print_quoted(slice.start, slice.length, SHOWN_COLUMNS, text);
}

static void warn_unknown_option(struct parser *p, struct slice name)
{
    char storage[LINE_BYTES];
    struct pw_text text = pw_text_over(storage, sizeof storage);
    if (!may_warn(p))
        return;
    struct nearest nearest = nearest_option(name);
    pw_text_str(&text, "unknown option ");
    print_in_quotes(name, &text);
    pw_text_str(&text, is_near(&nearest) ? "; did you mean " : "; the nearest is ");
    print_in_quotes(nearest.name, &text);
    pw_text_str(&text, is_near(&nearest) ? "?" : ", and PWHEAP_CHECK=help lists them all");
    p->warn(p->context, storage);
}

static void print_option_name(const struct pw_option_info *info, struct pw_text *text)
{
    pw_text_str(text, "option \"");
    pw_text_str(text, info->name);
    pw_text_char(text, '"');
}

/* "; stays 32": what the option is in the end. */
static void print_stays(const struct parser *p, const struct pw_option_info *info,
                        struct pw_text *text)
{
    pw_text_str(text, "; stays ");
    if (info->type == PW_TYPE_STRING) {
        const char *string = pw_option_string(p->options, info);
        print_in_quotes((struct slice){string, strlen(string)}, text);
    } else {
        pw_option_print_number(info, pw_option_number(p->options, info), text);
    }
}

/* ` (did you mean "always"?)` when one of the names is near. */
static void print_guess(struct slice wanted, const char *names, struct pw_text *text)
{
    struct nearest nearest = nearest_choice(wanted, names);
    if (!is_near(&nearest))
        return;
    pw_text_str(text, " (did you mean ");
    print_in_quotes(nearest.name, text);
    pw_text_str(text, "?)");
}

static void warn_unknown_level(struct parser *p, struct slice name)
{
    char storage[LINE_BYTES];
    struct pw_text text = pw_text_over(storage, sizeof storage);
    if (!may_warn(p))
        return;
    pw_text_str(&text, "the level is off|fast|full|guard|help, not ");
    print_in_quotes(name, &text);
    print_guess(name, "off|fast|full|guard|help", &text);
    print_stays(p, pw_option_find("level", strlen("level")), &text);
    p->warn(p->context, storage);
}

/* `option "NAME"` + `what` + "; stays VALUE" */
static void warn_about(struct parser *p, const struct pw_option_info *info, const char *what)
{
    char storage[LINE_BYTES];
    struct pw_text text = pw_text_over(storage, sizeof storage);
    if (!may_warn(p))
        return;
    print_option_name(info, &text);
    pw_text_str(&text, what);
    print_stays(p, info, &text);
    p->warn(p->context, storage);
}

static void warn_bad_value(struct parser *p, const struct pw_option_info *info, struct slice value)
{
    char storage[LINE_BYTES];
    struct pw_text text = pw_text_over(storage, sizeof storage);
    if (!may_warn(p))
        return;
    print_option_name(info, &text);
    pw_text_str(&text, info->type == PW_TYPE_STRING ? " holds " : " is ");
    pw_option_print_range(info, &text);
    pw_text_str(&text, ", not ");
    if (info->type == PW_TYPE_STRING)
        pw_text_dec(&text, value.length);
    else
        print_in_quotes(value, &text);
    if (info->type == PW_TYPE_CHOICE)
        print_guess(value, info->names, &text);
    print_stays(p, info, &text);
    p->warn(p->context, storage);
}

/* The line after the last warning: how many there would be more. */
static void warn_rest(struct parser *p)
{
    if (p->warnings <= MOST_WARNINGS)
        return;
    char storage[LINE_BYTES];
    struct pw_text text = pw_text_over(storage, sizeof storage);
    pw_text_dec(&text, p->warnings - MOST_WARNINGS);
    pw_text_str(&text, " more warnings about options, left out");
    p->warn(p->context, storage);
}

/* ---- what the words do ---- */

/* Note the level if `name` is one; what it sets, pw_options_parse sets. */
static bool take_level(struct parser *p, struct slice name)
{
    const struct pw_option_info *info = pw_option_find("level", strlen("level"));
    uint64_t level;
    if (!pw_option_read(info, name.start, name.length, &level))
        return false;
    p->level = (enum pw_level)level;
    return true;
}

static void take_alone(struct parser *p, struct slice name, bool is_level_place)
{
    if (take_level(p, name))
        return;
    const struct pw_option_info *info = pw_option_find(name.start, name.length);
    if (info != NULL && strcmp(info->name, "help") == 0)
        p->options->help = true;
    else if (info != NULL)
        warn_about(p, info, " has no value");
    else if (is_level_place)
        warn_unknown_level(p, name);
    else
        warn_unknown_option(p, name);
}

static bool set_option(struct parser *p, const struct pw_option_info *info, struct slice value)
{
    if (strcmp(info->name, "level") == 0)
        return take_level(p, value);
    return pw_option_assign(p->options, info, value.start, value.length);
}

static void take_pair(struct parser *p, struct slice name, struct slice value)
{
    const struct pw_option_info *info = pw_option_find(name.start, name.length);
    if (info == NULL)
        warn_unknown_option(p, name);
    else if (!set_option(p, info, value))
        warn_bad_value(p, info, value);
}

static void take_broken(struct parser *p, const struct word *word)
{
    const struct pw_option_info *info = pw_option_find(word->name.start, word->name.length);
    if (info == NULL)
        warn_unknown_option(p, word->name);
    else if (word->kind == WORD_UNCLOSED)
        warn_about(p, info, ": the closing quote is missing");
    else
        warn_about(p, info, ": a separator must follow the closing quote");
}

static void take_source(struct parser *p, const char *source, bool starts_with_level)
{
    if (source == NULL)
        return;
    struct word word;
    while ((word = next_word(&source)).kind != WORD_END) {
        if (word.kind == WORD_ALONE)
            take_alone(p, word.name, starts_with_level);
        else if (word.kind == WORD_PAIR)
            take_pair(p, word.name, word.value);
        else
            take_broken(p, &word);
        starts_with_level = false;
    }
}

static void take_all(struct parser *p, const struct pw_options_sources *sources, enum pass pass)
{
    p->pass = pass;
    take_source(p, sources->program, false);
    take_source(p, sources->options_env, false);
    take_source(p, sources->check_env, true);
}

void pw_options_parse(struct pw_options *o, const struct pw_options_sources *sources,
                      pw_options_warn warn, void *context)
{
    struct parser p = {.options = o, .level = PW_LEVEL_FAST, .warn = warn, .context = context};
    pw_options_defaults(o, p.level);
    take_all(&p, sources, PASS_LEVEL);
    pw_options_defaults(o, p.level);
    take_all(&p, sources, PASS_VALUES);
    take_all(&p, sources, PASS_WARNINGS);
    warn_rest(&p);
}
