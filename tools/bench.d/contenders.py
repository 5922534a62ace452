"""The contenders: glibc, pwheap at its levels, and the peers that Debian has.

A contender is an environment (mostly one LD_PRELOAD) or a command in front of the program. The
packages of those asked for are installed with apt-get, by root only; without root a contender that
is missing is named and left out.
"""

import glob
import hashlib
import os
import re
import shutil
import subprocess
import sys


class Contender:
    def __init__(self, name, choices=(), env=None, prefix=(), slow=False, patience=1.0, about=""):
        self.name = name
        self.choices = list(choices)    # (Debian package or None, library as a glob pattern), best first
        self.extra_env = env or {}
        self.prefix = list(prefix)      # a command that runs the program
        self.slow = slow                # measured once a load
        self.patience = patience        # of the time limit: less for those that hardly finish anything
        self.about = about
        self.package = None             # the one that was found
        self.path = None                # of the library that is preloaded

    def find(self):
        """Take the first choice that is here or can be installed."""
        return any(self.take(*choice) for choice in self.choices)

    def take(self, package, pattern):
        found = sorted(glob.glob(pattern))
        if not found and package and not package_version(package) and install([package]):
            found = sorted(glob.glob(pattern))
        if found:
            self.package = package
            self.path = found[-1] if not self.prefix else None
        return bool(found)

    def keep(self, folder):
        """
        Measure a copy: a build that goes on meanwhile takes the library away or puts another in its
        place, and ld.so runs a program whose preload is missing on glibc, with no more than a warning.
        """
        copies = os.path.join(folder, "contenders", re.sub(r"[^A-Za-z0-9.]+", "_", self.name))
        os.makedirs(copies, exist_ok=True)
        copy = os.path.join(copies, os.path.basename(self.path))
        shutil.copyfile(self.path, copy)
        with open(copy, "rb") as library:
            digest = hashlib.sha256(library.read()).hexdigest()[:12]
        self.about += f", library {digest}"
        self.path = copy

    def env(self):
        return {**({"LD_PRELOAD": self.path} if self.path else {}), **self.extra_env}

    def version(self):
        version = package_version(self.package) if self.package else None
        return f"{self.package} {version}" if version else self.about


def which(program):
    for folder in os.environ.get("PATH", "/usr/bin:/bin").split(":") + ["/usr/sbin", "/sbin"]:
        path = os.path.join(folder, program)
        if os.access(path, os.X_OK):
            return path
    return None


def package_version(package):
    done = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", package],
                          capture_output=True, text=True)
    status, _, version = done.stdout.partition(" ")
    return version if done.returncode == 0 and status == "installed" else None


def install(packages):
    """apt-get install one package after the other; true when all are there."""
    if os.geteuid() != 0:
        print(f"bench: not root: install {' '.join(packages)} to have it measured", file=sys.stderr)
        return False
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=600"]
    for updated in (False, True):
        if updated:
            subprocess.run(["apt-get", "update", "-q"], env=environment, stdout=subprocess.DEVNULL)
        print(f"bench: apt-get install {' '.join(packages)}", file=sys.stderr)
        if subprocess.run(command + packages, env=environment, stdout=subprocess.DEVNULL).returncode == 0:
            return True
    return False


LIB = "/usr/lib/*-linux-gnu*"

GLIBC = Contender("glibc", about="glibc")
GLIBC.package = "libc6"

PEERS = [
    # glibc with MALLOC_CHECK_=3
    Contender("check3", [("libc6", f"{LIB}/libc_malloc_debug.so.0")], {"MALLOC_CHECK_": "3"}),
    Contender("jemalloc", [("libjemalloc2", f"{LIB}/libjemalloc.so.2")]),
    Contender("mimalloc", [("libmimalloc2.0", f"{LIB}/libmimalloc.so.2*")]),
    # tcmalloc_minimal and tcmalloc_minimal_debug
    Contender("tcmalloc", [("libtcmalloc-minimal4", f"{LIB}/libtcmalloc_minimal.so.4")]),
    Contender("tcmdebug", [("libtcmalloc-minimal4", f"{LIB}/libtcmalloc_minimal_debug.so.4")]),
    Contender("scudo", [(f"libclang-rt-{version}-dev",
                         f"/usr/lib/llvm-{version}/lib/clang/*/lib/linux/libclang_rt.scudo_standalone-x86_64.so")
                        for version in (19, 16, 14)]),
    Contender("dislocator", [("afl++", "/usr/lib/afl/libdislocator.so")], {"AFL_LD_LIMIT_MB": "16000"}, slow=True,
              patience=0.25),
    Contender("duma", [("duma", "/usr/lib/libduma.so.0")], {"DUMA_DISABLE_BANNER": "1"}, slow=True,
              patience=0.25),
    Contender("efence", [("electric-fence", "/usr/lib/libefence.so.0")],
              {"EF_ALLOW_MALLOC_0": "1", "EF_DISABLE_BANNER": "1"}, slow=True),
    # AddressSanitizer's runtime, preloaded
    Contender("asan", [("libasan8", f"{LIB}/libasan.so.8")],
              {"ASAN_OPTIONS": "detect_leaks=0:alloc_dealloc_mismatch=0:new_delete_type_mismatch=0:"
                               "detect_odr_violation=0:allocator_may_return_null=1"}),
    # memcheck
    Contender("valgrind", [("valgrind", "/usr/bin/valgrind")], slow=True,
              prefix=["valgrind", "-q", "--trace-children=yes", "--log-file=/dev/null"]),
]


def peers(names):
    """Those asked for: 'all', 'none' or a list."""
    if names == ["none"]:
        return []
    if names == ["all"]:
        return list(PEERS)
    known = {peer.name: peer for peer in PEERS}
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.exit(f"bench: no peer {unknown[0]!r}; there are: all none {' '.join(known)}")
    return [known[name] for name in names]


def own(level, build):
    """pwheap with PWHEAP_CHECK=level; 'full@DIR' takes the library of another build."""
    check, _, other = level.partition("@")
    library = os.path.join(os.path.abspath(other or build), "src/libpwheap.so")
    return Contender(level, [(None, glob.escape(library))], {"PWHEAP_CHECK": check},
                     about=f"pwheap, PWHEAP_CHECK={check}")


def ready(contenders, bench):
    """Those that can run, each seen among what ld.so loads; what is missing is installed."""
    usable = []
    for contender in contenders:
        if not contender.find():
            print(f"bench: {contender.name} is not available, left out", file=sys.stderr)
            continue
        if "PWHEAP_CHECK" in contender.extra_env:
            contender.keep(bench.folder)
        if contender.path and not bench.is_loaded(contender):
            print(f"bench: {contender.name}: {contender.path} does not get loaded, left out", file=sys.stderr)
            continue
        usable.append(contender)
    return usable
