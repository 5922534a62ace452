/* api_fixture.h - what the tests of pwheap.h share. */
#ifndef PW_TESTS_API_FIXTURE_H
#define PW_TESTS_API_FIXTURE_H

#include "pwheap/pwheap.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ODD_ERRNO = 4711 };

/* The environment says exitcode=5. */
const char *pwheap_default_options(void)
{
    return "max_leaks=7:exitcode=3";
}

static inline bool is_at_least(const char *level)
{
    static const char *const levels[] = {"off", "fast", "full", "guard"};
    char now[16];
    int place = -1, wanted = -1;
    assert_true(pwheap_option_get("level", now, sizeof now) > 0);
    for (int i = 0; i < 4; i++) {
        place = strcmp(levels[i], now) == 0 ? i : place;
        wanted = strcmp(levels[i], level) == 0 ? i : wanted;
    }
    assert_true(place >= 0 && wanted >= 0);
    return place >= wanted;
}

/* Freed by a pointer that the compiler doesn't follow. */
static inline void give_back(void *block)
{
    void *volatile hidden = block;
    free(hidden);
}

/* -- Errors, taken by a callback */

static struct {
    unsigned count;
    char kind[64];
    const void *address;
    struct pwheap_description where;
    bool text_is_whole, is_context;
} taken;

static inline bool take(void *context, const struct pwheap_error *error)
{
    taken.count++;
    (void)snprintf(taken.kind, sizeof taken.kind, "%s", error->kind);
    taken.address = error->address;
    taken.where = error->where;
    taken.text_is_whole = strstr(error->text, error->kind) != NULL && error->text_length == strlen(error->text) &&
                          error->fingerprint != 0;
    taken.is_context = context == &taken;
    return true;
}

static inline void start_taking(void)
{
    memset(&taken, 0, sizeof taken);
    assert_true(pwheap_set_error_callback(take, &taken) == NULL);
}

static inline void stop_taking(void)
{
    assert_true(pwheap_set_error_callback(NULL, NULL) == take);
}

#endif
