/*
 * heapdump.h - what every command of heapdump shares: the table's row, the exit codes.
 *
 * A command is one file, NAME.c, with one function, NAME_command; main.c lists them.
 */
#ifndef PW_HEAPDUMP_HEAPDUMP_H
#define PW_HEAPDUMP_HEAPDUMP_H

/* For scripts; in the man page and in --help. */
enum heapdump_exit {
    HEAPDUMP_FINE = 0,
    HEAPDUMP_FOUND = 1,      /* heap damage or leaks */
    HEAPDUMP_USAGE = 2,      /* the command line is wrong */
    HEAPDUMP_UNREADABLE = 3, /* the target, the input or the output failed */
    HEAPDUMP_NOT_RUN = 127,  /* run: there is no such program; else run's is the program's own */
};

struct command {
    const char *name;
    const char *summary; /* one line of `heapdump --help` */
    /*
     * argv[0] is "heapdump NAME", for argp's messages; what follows are the command's own arguments.
     * argp ends the process for --help and wrong usage. Returns an enum heapdump_exit.
     */
    int (*run)(int argc, char **argv);
};

int block_command(int argc, char **argv);
int check_command(int argc, char **argv);
int diff_command(int argc, char **argv);
int find_command(int argc, char **argv);
int leaks_command(int argc, char **argv);
int refs_command(int argc, char **argv);
int sites_command(int argc, char **argv);
int summary_command(int argc, char **argv);
int map_command(int argc, char **argv);
int run_command(int argc, char **argv);
int snapshot_command(int argc, char **argv);
int top_command(int argc, char **argv);
int symbolize_command(int argc, char **argv);
int walk_command(int argc, char **argv);

#endif
