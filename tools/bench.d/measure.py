"""Building the loads and running them: one process tree at a time, its processor time and memory."""

import hashlib
import os
import subprocess
import sys

import inputs
import loads as load_list

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCES = load_list.MADE + ["huge", "threads", "growth", "pairs", "scaling"]
CFLAGS = ["-O2", "-g", "-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-pthread", "-fno-builtin-malloc",
          "-fno-builtin-free", "-fno-builtin-calloc", "-fno-builtin-realloc"]


# Touched before each run (warm.c): several times what a load takes, and no more than a small machine can spare.
WARM_MIB = 256

# What ld.so says (on stderr, with status 0) before it goes on without the library.
NOT_PRELOADED = "cannot be preloaded"


class Bench:
    """Where things are, and how to run one."""

    def __init__(self, build, limit):
        self.folder = os.path.join(os.path.abspath(build), "bench")
        self.limit = limit
        os.makedirs(os.path.join(self.folder, "home"), exist_ok=True)

    def build_run(self):
        for name in ("run", "warm"):
            if not self.compile(name, []):
                sys.exit(f"bench: could not build {name}")

    def build_loads(self, with_walk, build):
        """Returns false when the walk could not be built: a library from before pwheap_validate."""
        for name in SOURCES:
            if not self.compile(name, []):
                sys.exit(f"bench: could not build {name}")
        library = os.path.join(os.path.abspath(build), "src")
        return not with_walk or self.compile("walk", ["-I", os.path.join(HERE, "../../include"), "-L", library,
                                                      "-lpwheap", f"-Wl,-rpath,{library}"])

    def compile(self, name, arguments):
        source, target = os.path.join(HERE, name + ".c"), os.path.join(self.folder, name)
        newest = max(os.path.getmtime(path) for path in (source, os.path.join(HERE, "load.h"), __file__))
        if os.path.exists(target) and os.path.getmtime(target) > newest:
            return True
        command = [os.environ.get("CC", "cc"), *CFLAGS, source, "-o", target, *arguments]
        return subprocess.run(command).returncode == 0

    def environment(self, contender):
        """The same for all: nothing of the caller's allocator settings comes through."""
        return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": os.path.join(self.folder, "home"),
                "LC_ALL": "C", "PYTHONMALLOC": "malloc", "PYTHONHASHSEED": "0",
                "GIT_CONFIG_NOSYSTEM": "1", "TMPDIR": self.folder, **contender}

    def run(self, argv, contender, stdin="/dev/null", env=None, serve=None):
        """
        Run argv on a contender. Returns a dictionary: status (0 is well), cpu, user, system, wall in
        seconds, rss in KiB, output (a hash of stdout).
        """
        out, errors = os.path.join(self.folder, "stdout"), os.path.join(self.folder, "stderr")
        limit = max(1, int(self.limit * contender.patience))
        settings = []
        for name, value in {**(env or {}), **contender.env()}.items():
            settings += ["-E", f"{name}={value}"]
        command = [os.path.join(self.folder, "run"), "-t", str(limit), "-i", stdin, "-o", out, "-e", errors,
                   *settings, "--", *contender.prefix, *argv]
        process = subprocess.Popen(command, env=self.environment({}), cwd=self.folder,
                                   stdout=subprocess.PIPE, text=True)
        served = serve is None or serve(self.folder)
        if not served:
            process.terminate()
        line = process.communicate()[0].split()
        if len(line) != 5:
            return {"status": 2, "cpu": 0.0, "wall": 0.0, "rss": 0, "output": "", "errors": last_lines(errors)}
        with open(errors, errors="replace") as text:
            preloaded = NOT_PRELOADED not in text.read()
        status, user, system, wall, rss = int(line[0]), *map(float, line[1:4]), int(line[4])
        with open(out, "rb") as text:
            digest = hashlib.sha256(text.read()).hexdigest()[:16]
        return {"status": status, "cpu": user + system, "user": user, "system": system, "wall": wall,
                "rss": rss, "output": digest, "preloaded": preloaded,
                "errors": last_lines(errors) if status else ""}

    def warm(self):
        with open("/proc/meminfo") as text:
            free_mib = next(int(line.split()[1]) >> 10 for line in text if line.startswith("MemAvailable:"))
        subprocess.run([os.path.join(self.folder, "warm"), str(min(WARM_MIB, free_mib // 4))], env=self.environment({}))

    def run_load(self, load, contender, is_glibc):
        self.warm()
        return self.run(load.command(self.folder), contender, load.input_path(self.folder),
                        load.glibc_env if is_glibc else None, load.serve)

    def is_loaded(self, contender):
        """ld.so, asked for what it has loaded, names the library. The program itself doesn't run."""
        result = self.run(["cat"], contender, env={"LD_TRACE_LOADED_OBJECTS": "1"})
        with open(os.path.join(self.folder, "stdout")) as loaded:
            return not why(result) and contender.path in loaded.read()

    def run_text(self, argv, contender):
        """Run one of the special loads: the text that it printed, or None and why."""
        result = self.run([os.path.join(self.folder, argv[0]), *argv[1:]], contender)
        if why(result):
            return None, why(result)
        with open(os.path.join(self.folder, "stdout")) as text:
            return text.read(), ""


def last_lines(path, count=3):
    try:
        with open(path, errors="replace") as text:
            return " | ".join(line.strip() for line in text.readlines()[-count:])[:160]
    except OSError:
        return ""


def why(result, reference=None):
    """Why a run doesn't count, in words; empty when it does."""
    status = result["status"]
    if not result.get("preloaded", True):
        return "its library was not preloaded: this was glibc"
    if status == 124:
        return "stopped at the time limit"
    if status > 128:
        return f"ended by signal {status - 128}"
    if status != 0:
        return f"exit status {status}"
    if reference is not None and result["output"] != reference["output"]:
        return "its output is not glibc's"
    return ""


def sequence(contenders, backwards):
    """
    The order of one repetition, None standing for glibc: every contender has glibc right beside it,
    and one run of glibc serves two. a G b, c G d, e G; the other way round in every second one.
    """
    order = []
    for index in range(0, len(contenders), 2):
        pair = contenders[index:index + 2]
        order += [pair[0], None] + pair[1:]
    return order[::-1] if backwards else order


def measure_load(bench, load, contenders, glibc, runs):
    """
    All repetitions of a load. Returns {'glibc': [results], 'pairs': {name: [(result, glibc result)]},
    'failed': {name: why}}.
    """
    data = {"glibc": [], "pairs": {contender.name: [] for contender in contenders}, "failed": {}}
    reference = bench.run_load(load, glibc, True)  # not counted: it warms the files up
    trouble = why(reference)
    if trouble:
        data["failed"] = {contender.name: f"glibc itself: {trouble}" for contender in [glibc, *contenders]}
        return data
    for repetition in range(runs):
        running = [c for c in contenders
                   if c.name not in data["failed"] and (repetition == 0 or not c.slow)]
        waiting = None  # a contender that ran before its glibc
        last_glibc = None
        # A list without contenders still measures glibc.
        for contender in sequence(running, repetition % 2 == 1) or [None]:
            result = bench.run_load(load, contender or glibc, contender is None)
            if contender is None:
                last_glibc = result
                data["glibc"].append(result)
                if waiting:
                    data["pairs"][waiting[0]].append((waiting[1], result))
                    waiting = None
                continue
            # A server's own text has its time in it.
            trouble = why(result, None if load.serve else reference)
            if trouble:
                data["failed"][contender.name] = f"{trouble}: {result.get('errors', '')}".rstrip(": ")
            elif last_glibc is not None:
                data["pairs"][contender.name].append((result, last_glibc))
                last_glibc = None
            else:
                waiting = (contender.name, result)
    return data


def measure_special(bench, names, contenders, glibc, runs, quick):
    """The pair loops, the scaling and the walk: {name: {contender: text}}; the best is taken later."""
    data = {name: {} for name in names}
    commands = {"pairs": ["pairs", "24", "64", "1024", "65536", "1048576"], "scaling": ["scaling"],
                "walk": ["walk", "2000000" if quick else "10000000"]}
    for name in names:
        for contender in [glibc, *contenders]:
            own = "PWHEAP_CHECK" in contender.extra_env
            if name == "walk" and not own:
                continue
            texts = []
            for _ in range(1 if contender.slow or name == "walk" else min(runs, 3)):
                text, trouble = bench.run_text(commands[name], contender)
                if text is None:
                    print(f"bench: {name} on {contender.name}: {trouble}", file=sys.stderr)
                    break
                texts.append(text)
            if texts:
                data[name][contender.name] = texts
    return data
