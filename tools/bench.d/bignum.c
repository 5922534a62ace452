/*
 * bignum - arithmetic on big integers where every result is a new block and every operand is freed
 * once used: many tiny, very short-lived blocks with little work between (the habit of cfrac).
 * Computes factorials and Fibonacci numbers and reduces each by trial division.
 */
#include "load.h"

struct number {
    uint32_t length;
    uint32_t digits[]; /* base 2^32, the lowest first */
};

static struct number *number_new(size_t length)
{
    struct number *number = load_malloc(sizeof(struct number) + length * sizeof(uint32_t));
    number->length = (uint32_t)length;
    return number;
}

static struct number *number_from(uint32_t value)
{
    struct number *number = number_new(1);
    number->digits[0] = value;
    return number;
}

static void number_trim(struct number *number)
{
    while (number->length > 1 && number->digits[number->length - 1] == 0)
        number->length--;
}

/* Both add and the rest consume their first operand. */
static struct number *number_add(struct number *a, const struct number *b)
{
    size_t length = (a->length > b->length ? a->length : b->length) + 1u;
    struct number *sum = number_new(length);
    uint64_t carry = 0;
    for (size_t i = 0; i < length; i++) {
        carry += (i < a->length ? a->digits[i] : 0u);
        carry += (i < b->length ? b->digits[i] : 0u);
        sum->digits[i] = (uint32_t)carry;
        carry >>= 32;
    }
    free(a);
    number_trim(sum);
    return sum;
}

static struct number *number_multiply(struct number *a, uint32_t factor)
{
    struct number *product = number_new(a->length + 1u);
    uint64_t carry = 0;
    for (size_t i = 0; i < a->length; i++) {
        carry += (uint64_t)a->digits[i] * factor;
        product->digits[i] = (uint32_t)carry;
        carry >>= 32;
    }
    product->digits[a->length] = (uint32_t)carry;
    free(a);
    number_trim(product);
    return product;
}

static struct number *number_divide(struct number *a, uint32_t divisor, uint32_t *rest)
{
    struct number *quotient = number_new(a->length);
    uint64_t left = 0;
    for (size_t i = a->length; i-- > 0;) {
        left = left << 32 | a->digits[i];
        quotient->digits[i] = (uint32_t)(left / divisor);
        left %= divisor;
    }
    *rest = (uint32_t)left;
    free(a);
    number_trim(quotient);
    return quotient;
}

/* Divide by small numbers until nothing is left; the rests are the result. */
static uint64_t number_reduce(struct number *number, uint32_t divisor)
{
    uint64_t sum = 0;
    while (number->length > 1 || number->digits[0] != 0) {
        uint32_t rest;
        number = number_divide(number, divisor++, &rest);
        sum = sum * 31 + rest;
    }
    free(number);
    return sum;
}

int main(void)
{
    enum { REPEATS = 1000, FACTORIAL = 80, FIBONACCI = 400 };
    uint64_t result = 0;
    for (uint32_t repeat = 0; repeat < REPEATS; repeat++) {
        struct number *factorial = number_from(repeat + 1);
        for (uint32_t i = 2; i <= FACTORIAL; i++)
            factorial = number_multiply(factorial, i);
        struct number *a = number_from(repeat), *b = number_from(1);
        for (unsigned i = 0; i < FIBONACCI; i++) {
            struct number *sum = number_add(a, b);
            a = b;
            b = sum;
        }
        free(a);
        result += number_reduce(number_add(factorial, b), 3 + repeat % 7);
        for (uint32_t i = 1; i < 3000; i++)
            result += number_reduce(number_from(i * 2654435761u), 2 + i % 9);
        free(b);
    }
    return load_done("bignum", result);
}
