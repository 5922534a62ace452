/*
 * site_tree.c - heapdump sites --tree: the call paths to allocations as a tree from the outside in, each
 * branch with what was allocated below it.
 *
 * Nodes are children lists of at most the frames of all stacks; chains without a fork are printed on
 * one level, so that the depth on the screen is that of the decisions.
 */
#include "site_collect.h"

#include "command_line.h"

#include <stdlib.h>
#include <string.h>

struct node {
    const char *name; /* owned */
    uint64_t bytes;
    uint64_t blocks;
    struct node *children; /* the first one */
    struct node *next;     /* its sibling */
};

static const char itself[] = "(itself)";

static struct node *get_child(struct node *parent, const char *name)
{
    for (struct node *child = parent->children; child != NULL; child = child->next)
        if (strcmp(child->name, name) == 0)
            return child;
    struct node *child = heapdump_grow(NULL, 1, sizeof *child);
    *child = (struct node){.name = heapdump_copy(name), .next = parent->children};
    parent->children = child;
    return child;
}

static void add_site(struct node *root, const struct site_output *output, const struct site *site)
{
    uint64_t frames[PW_MAX_FRAMES];
    size_t count = target_stack(output->target, site->stack, frames);
    struct node *node = root;
    root->bytes += site->bytes;
    root->blocks += site->blocks;
    for (size_t k = count; k-- > 0;) {
        const struct spot *spot = places_call(output->places, frames[k]);
        for (size_t n = spot->place_count; n-- > 0;) {
            node = get_child(node, site_frame_name(spot, &spot->places[n]));
            node->bytes += site->bytes;
            node->blocks += site->blocks;
        }
    }
    if (node != root) { /* beside what was allocated further in */
        node = get_child(node, itself);
        node->bytes += site->bytes;
        node->blocks += site->blocks;
    }
}

static void free_nodes(struct node *node)
{
    while (node != NULL) {
        struct node *next = node->next;
        free_nodes(node->children);
        free((char *)(uintptr_t)node->name);
        free(node);
        node = next;
    }
}

/* Take out and return the heaviest child that is at least `least_weight`; NULL: none is. */
static struct node *take_heaviest(struct node *parent, bool by_blocks, uint64_t least_weight)
{
    struct node **best = NULL;
    uint64_t weight = least_weight;
    for (struct node **at = &parent->children; *at != NULL; at = &(*at)->next) {
        uint64_t own = by_blocks ? (*at)->blocks : (*at)->bytes;
        if (own >= weight && (best == NULL || own > weight)) {
            best = at;
            weight = own;
        }
    }
    if (best == NULL)
        return NULL;
    struct node *taken = *best;
    *best = taken->next;
    taken->next = NULL;
    return taken;
}

static void write_node(const struct node *node, const struct node *root, bool by_blocks, unsigned depth)
{
    char count[2 * BYTES_TEXT], bytes[BYTES_TEXT];
    uint64_t all = by_blocks ? root->blocks : root->bytes, own = by_blocks ? node->blocks : node->bytes;
    printf("%5.1f%% %11s %13s  ", all == 0 ? 0 : (double)own * 100 / (double)all, bytes_text(bytes, node->bytes),
           count_text(count, node->blocks));
    for (unsigned i = 0; i < depth; i++)
        fputs("| ", stdout);
    puts(node->name);
}

/* 99 of 100 are all: the rest would only push the picture to the right. */
static bool is_nearly_all(uint64_t part, uint64_t all)
{
    return part >= all - all / 100;
}

/* A child that has nearly all of its parent is on the same level: there was no fork. */
static void write_below(struct node *node, const struct node *root, bool by_blocks, unsigned depth)
{
    uint64_t least_weight = (by_blocks ? root->blocks : root->bytes) / 200; /* half a percent */
    struct node *child;
    while ((child = take_heaviest(node, by_blocks, least_weight)) != NULL) {
        bool is_chain = is_nearly_all(by_blocks ? child->blocks : child->bytes, by_blocks ? node->blocks : node->bytes);
        unsigned child_depth = is_chain ? depth : depth + 1;
        if (!is_chain || strcmp(child->name, itself) != 0)
            write_node(child, root, by_blocks, child_depth);
        write_below(child, root, by_blocks, child_depth);
        free_nodes(child);
    }
}

void sites_write_tree(const struct site_output *output)
{
    struct node root = {.name = "all"};
    for (size_t i = 0; i < output->sites->count; i++)
        add_site(&root, output, &output->sites->table[i]);
    printf("%6s %11s %13s  %s\n", "", "bytes", "blocks", "called from, outermost first; branches under 0.5% are left out");
    write_node(&root, &root, output->by_blocks, 0);
    write_below(&root, &root, output->by_blocks, 0);
    free_nodes(root.children);
}
