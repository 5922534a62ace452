/* os_instruction_test.c - what is told of an instruction's access to memory. */
#include "os/instruction.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

struct sample {
    const char *text;
    const char *bytes; /* 15 at most */
    size_t length;
    char access; /* 'r', 'w', '-' not known */
    uint32_t size;
};

#define CODE(bytes_) bytes_, sizeof(bytes_) - 1

/* Assembled by gas; `text` is what it was given. */
static const struct sample samples[] = {
    {"movb $1,5(%rax)", CODE("\xc6\x40\x05\x01"), 'w', 1},
    {"mov %eax,(%rbx)", CODE("\x89\x03"), 'w', 4},
    {"mov %r9,8(%r10)", CODE("\x4d\x89\x4a\x08"), 'w', 8},
    {"mov %ax,(%rbx)", CODE("\x66\x89\x03"), 'w', 2},
    {"mov (%rdi),%rax", CODE("\x48\x8b\x07"), 'r', 8},
    {"mov %fs:(%rdi),%eax", CODE("\x64\x8b\x07"), 'r', 4},
    {"movzbl (%rsi),%eax", CODE("\x0f\xb6\x06"), 'r', 1},
    {"movswl (%rsi),%eax", CODE("\x0f\xbf\x06"), 'r', 2},
    {"movslq (%rsi),%rax", CODE("\x48\x63\x06"), 'r', 4},
    {"cmpb $0,(%rdi)", CODE("\x80\x3f\x00"), 'r', 1},
    {"cmp (%rdi),%rax", CODE("\x48\x3b\x07"), 'r', 8},
    {"cmp %rax,(%rdi)", CODE("\x48\x39\x07"), 'r', 8},
    {"addl $1,(%rdi)", CODE("\x83\x07\x01"), 'w', 4},
    {"add %eax,(%rdi)", CODE("\x01\x07"), 'w', 4},
    {"add (%rdi),%eax", CODE("\x03\x07"), 'r', 4},
    {"incq (%rdi)", CODE("\x48\xff\x07"), 'w', 8},
    {"call *(%rdi)", CODE("\xff\x17"), 'r', 8},
    {"push (%rdi)", CODE("\xff\x37"), 'r', 8},
    {"testb $1,(%rdi)", CODE("\xf6\x07\x01"), 'r', 1},
    {"negl (%rdi)", CODE("\xf7\x1f"), 'w', 4},
    {"shll $3,(%rdi)", CODE("\xc1\x27\x03"), 'w', 4},
    {"lock cmpxchg %rcx,(%rdi)", CODE("\xf0\x48\x0f\xb1\x0f"), 'w', 8},
    {"xchg %eax,(%rdi)", CODE("\x87\x07"), 'w', 4},
    {"lock cmpxchg16b (%rdi)", CODE("\xf0\x48\x0f\xc7\x0f"), 'w', 16},
    {"sete (%rdi)", CODE("\x0f\x94\x07"), 'w', 1},
    {"cmove (%rdi),%rax", CODE("\x48\x0f\x44\x07"), 'r', 8},
    {"rep movsb", CODE("\xf3\xa4"), 'w', 1},
    {"rep stosq", CODE("\xf3\x48\xab"), 'w', 8},
    {"repz cmpsb", CODE("\xf3\xa6"), 'r', 1},
    {"repnz scasb", CODE("\xf2\xae"), 'r', 1},
    {"movups %xmm0,(%rdi)", CODE("\x0f\x11\x07"), 'w', 16},
    {"movss (%rdi),%xmm0", CODE("\xf3\x0f\x10\x07"), 'r', 4},
    {"movsd %xmm0,(%rdi)", CODE("\xf2\x0f\x11\x07"), 'w', 8},
    {"movdqu (%rdi),%xmm1", CODE("\xf3\x0f\x6f\x0f"), 'r', 16},
    {"movdqa %xmm1,(%rdi)", CODE("\x66\x0f\x7f\x0f"), 'w', 16},
    {"movq %xmm0,(%rdi)", CODE("\x66\x0f\xd6\x07"), 'w', 8},
    {"movq (%rdi),%xmm0", CODE("\xf3\x0f\x7e\x07"), 'r', 8},
    {"movd %xmm0,(%rdi)", CODE("\x66\x0f\x7e\x07"), 'w', 4},
    {"movq (%rdi),%mm0", CODE("\x0f\x6f\x07"), 'r', 8},
    {"movntdq %xmm0,(%rdi)", CODE("\x66\x0f\xe7\x07"), 'w', 16},
    {"movnti %rax,(%rdi)", CODE("\x48\x0f\xc3\x07"), 'w', 8},
    {"addsd (%rdi),%xmm0", CODE("\xf2\x0f\x58\x07"), 'r', 8},
    {"pcmpeqb (%rdi),%xmm0", CODE("\x66\x0f\x74\x07"), 'r', 16},
    {"vmovdqu (%rdi),%ymm0", CODE("\xc5\xfe\x6f\x07"), 'r', 32},
    {"vmovdqu %ymm0,(%r8)", CODE("\xc4\xc1\x7e\x7f\x00"), 'w', 32},
    {"vpcmpeqb (%rdi),%ymm0,%ymm1", CODE("\xc5\xfd\x74\x0f"), 'r', 32},
    {"vmovdqu64 %zmm16,(%rdi)", CODE("\x62\xe1\xfe\x48\x7f\x07"), 'w', 64},
    {"vmovss %xmm0,(%rdi)", CODE("\xc5\xfa\x11\x07"), 'w', 4},
    {"mov %eax,%ebx", CODE("\x89\xc3"), '-', 0},
    {"ret", CODE("\xc3"), '-', 0},
    {"nothing", "", 0, '-', 0},
    {"a prefix alone", CODE("\x66"), '-', 0},
    {"half of an instruction", CODE("\x0f"), '-', 0},
};

static void it_is_told_whether_an_instruction_writes_and_how_many_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < PW_ARRAY_SIZE(samples); i++) {
        const struct sample *sample = &samples[i];
        struct pw_instruction_access told =
            pw_instruction_decode((const uint8_t *)sample->bytes, sample->length);
        char access = !told.is_known ? '-' : told.is_write ? 'w' : 'r';
        if (access != sample->access || told.bytes != sample->size)
            fail_msg("%s: said %c %u", sample->text, access, told.bytes);
    }
}

static void any_bytes_are_decoded_within_their_bounds(void **state)
{
    uint8_t code[PW_INSTRUCTION_MAX_BYTES];
    uint32_t seed = 7, known = 0;
    (void)state;
    for (unsigned round = 0; round < 200000; round++) {
        for (size_t i = 0; i < sizeof code; i++)
            code[i] = (uint8_t)((seed = seed * 1664525 + 1013904223) >> 24);
        size_t length = round % (sizeof code + 1);
        struct pw_instruction_access told = pw_instruction_decode(code + sizeof code - length, length);
        assert_true(told.bytes <= 128);
        struct pw_instruction_slot slot;
        if (pw_instruction_branch(code + sizeof code - length, length, &slot))
            assert_true(slot.base < 16 && slot.index < 16 && slot.scale <= 8);
        known += told.is_known;
    }
    assert_true(known > 0);
}

struct branch {
    const char *text;
    const char *bytes;
    size_t length;
    bool is_one; /* with its target in memory */
    struct pw_instruction_slot slot;
};

enum { RAX = 0, RSP = 4, RDI = 7, R12 = 12, R13 = 13 };

static const struct branch branches[] = {
    {"jmp *(%rdi)", CODE("\xff\x27"), true, {RDI, -1, 1, 0, false}},
    {"call *8(%rdi)", CODE("\xff\x57\x08"), true, {RDI, -1, 1, 8, false}},
    {"call *-8(%rax)", CODE("\xff\x50\xf8"), true, {RAX, -1, 1, -8, false}},
    {"call *0x12345678(%rax)", CODE("\xff\x90\x78\x56\x34\x12"), true, {RAX, -1, 1, 0x12345678, false}},
    {"call *16(%r13,%rax,8)", CODE("\x41\xff\x54\xc5\x10"), true, {R13, RAX, 8, 16, false}},
    {"call *(%r12)", CODE("\x41\xff\x14\x24"), true, {R12, -1, 1, 0, false}},
    {"call *(%rax,%r12,2)", CODE("\x42\xff\x14\x60"), true, {RAX, R12, 2, 0, false}},
    {"call *(%rsp)", CODE("\xff\x14\x24"), true, {RSP, -1, 1, 0, false}},
    {"jmp *0x1000(,%rdi,8)", CODE("\xff\x24\xfd\x00\x10\x00\x00"), true, {-1, RDI, 8, 0x1000, false}},
    {"call *16(%rip)", CODE("\xff\x15\x10\x00\x00\x00"), true, {-1, -1, 1, 22, true}},
    {"notrack jmp *(%rax)", CODE("\x3e\xff\x20"), true, {RAX, -1, 1, 0, false}},
    {"bnd call *(%rax)", CODE("\xf2\xff\x10"), true, {RAX, -1, 1, 0, false}},
    {"call *%rax", CODE("\xff\xd0"), false, {0}},
    {"push (%rax)", CODE("\xff\x30"), false, {0}},
    {"mov (%rdi),%rax", CODE("\x48\x8b\x07"), false, {0}},
    {"call *8(%rdi), cut", CODE("\xff\x57"), false, {0}},
    {"call *%fs:(%rax)", CODE("\x64\xff\x10"), false, {0}},
};

static void of_a_call_or_jump_it_is_told_where_its_target_lies(void **state)
{
    (void)state;
    for (size_t i = 0; i < PW_ARRAY_SIZE(branches); i++) {
        const struct branch *branch = &branches[i];
        struct pw_instruction_slot told;
        if (pw_instruction_branch((const uint8_t *)branch->bytes, branch->length, &told) != branch->is_one)
            fail_msg("%s", branch->text);
        if (branch->is_one &&
            (told.base != branch->slot.base || told.index != branch->slot.index || told.scale != branch->slot.scale ||
             told.offset != branch->slot.offset || told.is_relative != branch->slot.is_relative))
            fail_msg("%s: said %d %d %u %lld", branch->text, told.base, told.index, told.scale, (long long)told.offset);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_a_call_or_jump_it_is_told_where_its_target_lies),
        cmocka_unit_test(it_is_told_whether_an_instruction_writes_and_how_many_bytes),
        cmocka_unit_test(any_bytes_are_decoded_within_their_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
