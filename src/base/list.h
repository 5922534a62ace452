/*
 * list.h - a circular doubly linked list whose links lie in the elements.
 * Invariant: link->next->previous == link for every link of a list; checked on removal.
 */
#ifndef PW_BASE_LIST_H
#define PW_BASE_LIST_H

#include "base/base.h"

struct pw_list {
    struct pw_list *next;
    struct pw_list *previous;
};

#define PW_LIST_ENTRY(link, type, member) ((type *)((char *)(link)-offsetof(type, member)))

PW_INLINE void pw_list_init(struct pw_list *head)
{
    head->next = head->previous = head;
}

PW_INLINE bool pw_list_is_empty(const struct pw_list *head)
{
    return head->next == head;
}

/* Insert `link` before `head`: at the end of the list that head heads. */
PW_INLINE void pw_list_append(struct pw_list *head, struct pw_list *link)
{
    link->previous = head->previous;
    link->next = head;
    head->previous->next = link;
    head->previous = link;
}

PW_INLINE void pw_list_remove(struct pw_list *link)
{
    ENSURE(link->next->previous == link && link->previous->next == link);
    link->next->previous = link->previous;
    link->previous->next = link->next;
    link->next = link->previous = link;
}

#endif
