/*
 * trees - binary trees built and torn down, beside one that lives on: many equal small blocks,
 * found by pointers only.
 */
#include "load.h"

enum { LONG_DEPTH = 18, SHORT_DEPTH = 12, SHORT_TREES = 2500 };

struct tree {
    struct tree *left, *right;
    uint64_t value;
};

static struct tree *tree_new(unsigned depth, uint64_t value)
{
    struct tree *tree = load_malloc(sizeof(*tree));
    *tree = (struct tree){.value = value};
    if (depth > 0) {
        tree->left = tree_new(depth - 1, 2 * value);
        tree->right = tree_new(depth - 1, 2 * value + 1);
    }
    return tree;
}

static uint64_t tree_end(struct tree *tree)
{
    if (tree == NULL)
        return 0;
    uint64_t sum = tree->value + tree_end(tree->left) + tree_end(tree->right);
    free(tree);
    return sum;
}

int main(void)
{
    struct tree *lasting = tree_new(LONG_DEPTH, 1);
    uint64_t result = 0;
    for (unsigned i = 0; i < SHORT_TREES; i++)
        result += tree_end(tree_new(SHORT_DEPTH, i));
    return load_done("trees", result + tree_end(lasting));
}
