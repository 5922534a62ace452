"""The loads: programs of our own (tools/bench.d/*.c) and real ones.

Each real program works on an input made by inputs.py, takes one to three seconds on glibc, and
prints the same text in every run, which the driver compares.
"""

import os
import subprocess
import sys
import time

import contenders
import inputs

HERE = os.path.dirname(os.path.abspath(__file__))
MADE = "larson prodcons scratch sh6 replace big mixed stress simple bignum trees grow zeroed".split()
# Not among "all": huge, and threads MODE N as MODEN.
MORE = ["huge"] + [f"{mode}{threads}" for mode in ("own", "hand", "short") for threads in (2, 8, 64)]
SPECIAL = ["pairs", "scaling", "walk"]


class Load:
    def __init__(self, name, argv, kind, stdin=None, packages=(), glibc_env=None, serve=None):
        self.name = name
        self.argv = argv            # arguments: strings, ('input', NAME) or ('program', FILE)
        self.kind = kind            # 'made' or 'real'
        self.stdin = stdin          # the name of an input
        self.packages = list(packages)
        self.glibc_env = glibc_env or {}
        self.serve = serve          # for a server: what to do with it while it runs

    def command(self, folder):
        """The arguments with the inputs and programs put in."""
        places = {"input": lambda name: inputs.get(folder, name),
                  "program": lambda name: os.path.join(HERE, "programs", name),
                  "work": lambda name: os.path.join(folder, name)}
        return [part if isinstance(part, str) else places[part[0]](part[1]) for part in self.argv]

    def input_path(self, folder):
        return inputs.get(folder, self.stdin) if self.stdin else "/dev/null"


def redis_clients(folder):
    """
    Work for the server: strings, counters, lists, sets, hashes, sorted sets; then the end. Only the
    server's time counts, so this may take a contender's own time and not its own.
    """
    socket = os.path.join(folder, "redis.sock")
    client = ["redis-cli", "-s", socket]
    for _ in range(600):
        if subprocess.run(client + ["ping"], capture_output=True).stdout.strip() == b"PONG":
            break
        time.sleep(0.05)
    else:
        return False
    load = ["redis-benchmark", "-s", socket, "-q", "-P", "16", "-c", "10", "-n", "30000", "-r", "40000", "-d", "150",
            "-t", "set,get,incr,lpush,rpush,lpop,sadd,hset,spop,zadd,lrange_100,mset"]
    worked = subprocess.run(load, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
    subprocess.run(client + ["shutdown", "nosave"], capture_output=True)
    return worked


REDIS = [("work", "redis-server"), "--port", "0", "--unixsocket", ("work", "redis.sock"), "--save", "",
         "--appendonly", "no", "--activerehashing", "no", "--daemonize", "no", "--loglevel", "warning"]

REAL = [
    Load("sqlite3", ["sqlite3", ":memory:"], "real", stdin="work.sql", packages=["sqlite3"]),
    # Not -I: that ignores PYTHONMALLOC, and Python keeps its small objects to itself.
    Load("python3", ["/usr/bin/python3", "-s", ("program", "work.py")], "real", packages=["python3"]),
    Load("perl", ["perl", ("program", "work.pl")], "real", stdin="text", packages=["perl"]),
    Load("lua", ["lua5.4", ("program", "work.lua")], "real", packages=["lua5.4"]),
    Load("cc1", ["gcc", "-O2", "-S", "-w", "-o", "-", ("input", "work.c")], "real", packages=["gcc"]),
    Load("g++", ["g++", "-O1", "-std=c++17", "-S", "-w", "-o", "-", ("input", "work.cc")], "real",
         packages=["g++"]),
    # Debian's redis brings jemalloc: to measure it on glibc, glibc's malloc must come first.
    Load("redis", REDIS, "real", packages=["redis-tools"], glibc_env={"LD_PRELOAD": "libc.so.6"},
         serve=redis_clients),
    Load("jq", ["jq", "-c", "-f", ("program", "work.jq"), ("input", "data.json")], "real", packages=["jq"]),
    Load("git", ["sh", ("program", "git.sh"), ("input", "repo.git")], "real", packages=["git"]),
    Load("xz", ["xz", "-0", "-T2", "--block-size=1MiB", "-c"], "real", stdin="text", packages=["xz-utils"]),
]


def more(name):
    """One of MORE."""
    mode = name.rstrip("0123456789")
    return Load(name, [("work", name)] if mode == name else [("work", "threads"), mode, name[len(mode):]], "more")


def choose(names):
    """The loads of a list of names and groups (all, made, real, more), and the special ones asked for."""
    everything = [Load(name, [("work", name)], "made") for name in MADE] + REAL + [more(name) for name in MORE]
    known = {load.name for load in everything} | set(SPECIAL) | {"all", "made", "real", "more"}
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.exit(f"bench: no load {unknown[0]!r}; there are: {' '.join(sorted(known))}")
    chosen = [load for load in everything
              if load.name in names or load.kind in names or ("all" in names and load.kind != "more")]
    special = [name for name in SPECIAL if name in names or "all" in names]
    return chosen, special


def program_of(load):
    return "redis-benchmark" if load.name == "redis" else load.argv[0]


def ready(loads, folder):
    """Install what the real programs need; returns those that can run."""
    usable = []
    for load in loads:
        if load.kind == "real" and not contenders.which(program_of(load)):
            contenders.install(load.packages)
            if not contenders.which(program_of(load)):
                print(f"bench: no {program_of(load)}, {load.name} is left out", file=sys.stderr)
                continue
        if load.name == "redis":
            link_redis(folder)
        usable.append(load)
    return usable


def link_redis(folder):
    """redis-tools has the server under another name (the server's package would start a daemon)."""
    link = os.path.join(folder, "redis-server")
    if os.path.lexists(link):
        os.unlink(link)
    os.symlink(contenders.which("redis-server") or contenders.which("redis-check-rdb"), link)
