/* expression.c - see expression.h */
#include "trace/expression.h"

enum { STACK_WORDS = 16, MAX_OPS = 256 };

enum {
    OP_ADDR = 0x03,
    OP_DEREF = 0x06,
    OP_CONST1U = 0x08,
    OP_CONST8S = 0x0f,
    OP_CONSTU = 0x10,
    OP_CONSTS = 0x11,
    OP_DUP = 0x12,
    OP_DROP = 0x13,
    OP_OVER = 0x14,
    OP_PICK = 0x15,
    OP_SWAP = 0x16,
    OP_ROT = 0x17,
    OP_ABS = 0x19,
    OP_AND = 0x1a,
    OP_DIV = 0x1b,
    OP_MINUS = 0x1c,
    OP_MOD = 0x1d,
    OP_MUL = 0x1e,
    OP_NEG = 0x1f,
    OP_NOT = 0x20,
    OP_OR = 0x21,
    OP_PLUS = 0x22,
    OP_PLUS_UCONST = 0x23,
    OP_SHL = 0x24,
    OP_SHR = 0x25,
    OP_SHRA = 0x26,
    OP_XOR = 0x27,
    OP_BRA = 0x28,
    OP_EQ = 0x29,
    OP_GE = 0x2a,
    OP_GT = 0x2b,
    OP_LE = 0x2c,
    OP_LT = 0x2d,
    OP_NE = 0x2e,
    OP_SKIP = 0x2f,
    OP_LIT0 = 0x30,
    OP_LIT31 = 0x4f,
    OP_BREG0 = 0x70,
    OP_BREG31 = 0x8f,
    OP_BREGX = 0x92,
    OP_DEREF_SIZE = 0x94,
    OP_NOP = 0x96,
};

struct machine {
    struct pw_reader reader;
    const uint8_t *start;
    const uint64_t *registers;
    struct pw_view *view;
    uint64_t stack[STACK_WORDS];
    size_t depth;
};

static void push(struct machine *m, uint64_t value)
{
    if (m->depth == STACK_WORDS)
        m->reader.bad = true;
    else
        m->stack[m->depth++] = value;
}

static uint64_t pop(struct machine *m)
{
    if (m->depth == 0) {
        m->reader.bad = true;
        return 0;
    }
    return m->stack[--m->depth];
}

static void pick(struct machine *m, size_t index)
{
    if (index >= m->depth)
        m->reader.bad = true;
    else
        push(m, m->stack[m->depth - 1 - index]);
}

static void push_register(struct machine *m, uint64_t reg)
{
    int64_t offset = pw_read_sleb(&m->reader);
    if (reg >= PW_REG_COUNT)
        m->reader.bad = true;
    else
        push(m, m->registers[reg] + (uint64_t)offset);
}

/* The word's low `bytes` bytes (1 to 8), zero-extended. */
static void dereference(struct machine *m, size_t bytes)
{
    uint64_t word = 0;
    if (bytes == 0 || bytes > 8 || !pw_view_read(m->view, pop(m), &word))
        m->reader.bad = true;
    push(m, bytes < 8 ? word & (((uint64_t)1 << (8 * bytes)) - 1) : word);
}

static void jump(struct machine *m, int64_t offset)
{
    if (offset < m->start - m->reader.at || offset > m->reader.end - m->reader.at)
        m->reader.bad = true;
    else
        m->reader.at += offset;
}

static void binary(struct machine *m, uint8_t op)
{
    uint64_t b = pop(m);
    uint64_t a = pop(m);
    int64_t sa = (int64_t)a;
    int64_t sb = (int64_t)b;
    switch (op) {
    case OP_AND: push(m, a & b); break;
    case OP_OR: push(m, a | b); break;
    case OP_XOR: push(m, a ^ b); break;
    case OP_PLUS: push(m, a + b); break;
    case OP_MINUS: push(m, a - b); break;
    case OP_MUL: push(m, a * b); break;
    case OP_SHL: push(m, b < 64 ? a << b : 0); break;
    case OP_SHR: push(m, b < 64 ? a >> b : 0); break;
    case OP_SHRA: push(m, (uint64_t)(sa >> (b < 64 ? b : 63))); break;
    case OP_EQ: push(m, a == b); break;
    case OP_NE: push(m, a != b); break;
    case OP_GE: push(m, sa >= sb); break;
    case OP_GT: push(m, sa > sb); break;
    case OP_LE: push(m, sa <= sb); break;
    case OP_LT: push(m, sa < sb); break;
    default: m->reader.bad = true; /* division too: no unwind information divides */
    }
}

static void constant(struct machine *m, uint8_t op)
{
    size_t bytes = (size_t)1 << ((op - OP_CONST1U) / 2);
    bool is_signed = (op - OP_CONST1U) % 2 != 0;
    push(m, is_signed ? (uint64_t)pw_read_signed(&m->reader, bytes)
                      : pw_read_bytes(&m->reader, bytes));
}

static void shuffle(struct machine *m, uint8_t op)
{
    uint64_t top = pop(m);
    uint64_t second = pop(m);
    if (op == OP_SWAP) {
        push(m, top);
        push(m, second);
    } else { /* OP_ROT: the top goes below the two under it */
        uint64_t third = pop(m);
        push(m, top);
        push(m, third);
        push(m, second);
    }
}

static void unary(struct machine *m, uint8_t op)
{
    uint64_t a = pop(m);
    if (op == OP_NEG || (op == OP_ABS && (int64_t)a < 0))
        a = -a;
    else if (op == OP_NOT)
        a = ~a;
    push(m, a);
}

static void step(struct machine *m, uint8_t op)
{
    int64_t offset;
    switch (op) {
    case OP_NOP: break;
    case OP_ADDR: push(m, pw_read_bytes(&m->reader, 8)); break;
    case OP_CONSTU: push(m, pw_read_uleb(&m->reader)); break;
    case OP_CONSTS: push(m, (uint64_t)pw_read_sleb(&m->reader)); break;
    case OP_PLUS_UCONST: push(m, pop(m) + pw_read_uleb(&m->reader)); break;
    case OP_DUP: pick(m, 0); break;
    case OP_OVER: pick(m, 1); break;
    case OP_PICK: pick(m, pw_read_u8(&m->reader)); break;
    case OP_DROP: (void)pop(m); break;
    case OP_SWAP:
    case OP_ROT: shuffle(m, op); break;
    case OP_ABS:
    case OP_NEG:
    case OP_NOT: unary(m, op); break;
    case OP_DEREF: dereference(m, 8); break;
    case OP_DEREF_SIZE: dereference(m, pw_read_u8(&m->reader)); break;
    case OP_BREGX: push_register(m, pw_read_uleb(&m->reader)); break;
    case OP_SKIP: jump(m, pw_read_signed(&m->reader, 2)); break;
    case OP_BRA:
        offset = pw_read_signed(&m->reader, 2);
        if (pop(m) != 0)
            jump(m, offset);
        break;
    default: binary(m, op);
    }
}

bool pw_expression_value(struct pw_reader expression, const uint64_t registers[PW_REG_COUNT],
                         const uint64_t *start, struct pw_view *view, uint64_t *value)
{
    struct machine m = {
        .reader = expression, .start = expression.at, .registers = registers, .view = view};
    if (start != NULL)
        push(&m, *start);
    for (int ops = 0; pw_reader_left(&m.reader) > 0; ops++) {
        uint8_t op = pw_read_u8(&m.reader);
        if (ops == MAX_OPS)
            return false;
        if (op >= OP_LIT0 && op <= OP_LIT31)
            push(&m, op - OP_LIT0);
        else if (op >= OP_BREG0 && op <= OP_BREG31)
            push_register(&m, op - OP_BREG0);
        else if (op >= OP_CONST1U && op <= OP_CONST8S)
            constant(&m, op);
        else
            step(&m, op);
    }
    *value = pop(&m);
    return !m.reader.bad;
}
