/*
 * plugin.c - a library to open and close; built with two values of ROOM, so that two libraries have
 * the same code at the same place, but frames of different sizes.
 */
void plugin_call(void (*act)(void *), void *argument);
int plugin_version(void);

void plugin_call(void (*act)(void *), void *argument)
{
    char room[ROOM];
    __asm__ volatile("" ::"r"(room) : "memory");
    act(argument);
    __asm__ volatile("" ::"r"(room) : "memory");
}

int plugin_version(void)
{
    return ROOM;
}
