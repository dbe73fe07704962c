// Binary trees, made with malloc, walked and freed: pointers and calls.
#define CHECKSUM 0x23bbbb
#include "cpu.h"

struct node {
    struct node *left, *right;
};

static struct node *make(int depth)
{
    struct node *n = malloc(sizeof(*n));

    if (!n)
        exit(2);
    n->left = depth ? make(depth - 1) : NULL;
    n->right = depth ? make(depth - 1) : NULL;
    return n;
}

static uint64_t count(const struct node *n)
{
    return n ? 1 + count(n->left) + count(n->right) : 0;
}

static void drop(struct node *n)
{
    if (!n)
        return;
    drop(n->left);
    drop(n->right);
    free(n);
}

static uint64_t work(void)
{
    struct node *lasting = make(17);
    uint64_t sum = 0;

    for (int depth = 4; depth <= 16; depth += 4)
        for (int i = 0; i < 1 << (18 - depth); i++) {
            struct node *n = make(depth);

            sum += count(n);
            drop(n);
        }
    sum += count(lasting);
    drop(lasting);
    return sum;
}
