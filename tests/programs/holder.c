/* holder.c - a library that keeps blocks in its globals and in its thread-local memory. */
static void *in_global;
static __thread void *in_tls;

void hold(void *one, void *two);
void hold(void *one, void *two)
{
    in_global = one;
    in_tls = two;
    __asm__ volatile("" : : "r"(&in_global), "r"(&in_tls) : "memory");
}
