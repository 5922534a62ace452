"""From raw results to one table: ratios to glibc, geometric means, memory, scaling, pairs."""

import math
import statistics

BIG_PROGRAM_KIB = 30 * 1024  # peak memory is compared for real programs above it
PAIR_SIZES = {"24": "24 B", "64": "64 B", "1024": "1 KiB", "65536": "64 KiB", "1048576": "1 MiB"}
MISSING = "–"


def geometric_mean(values):
    return math.exp(statistics.fmean(math.log(value) for value in values)) if values else None


def ratio(pairs, key):
    """The median over the pairs of contender / glibc; None without pairs."""
    values = [one[key] / base[key] for one, base in pairs if base[key] > 0]
    return statistics.median(values) if values else None


def summarize(loads, results, contenders):
    """{contender: {'time': {load: ratio}, 'memory': {load: ratio}, 'all', 'real', 'worst', ...}}"""
    summary = {}
    for contender in contenders:
        time, memory = {}, {}
        for load in loads:
            pairs = results[load.name]["pairs"].get(contender.name, [])
            if contender.name in results[load.name]["failed"] or not pairs:
                continue
            time[load.name] = ratio(pairs, "cpu")
            if load.kind == "real" and statistics.median(base["rss"] for _, base in pairs) > BIG_PROGRAM_KIB:
                memory[load.name] = ratio(pairs, "rss")
        real = [time[load.name] for load in loads if load.kind == "real" and load.name in time]
        summary[contender.name] = {
            "time": time, "memory": memory, "finished": len(time),
            "all": geometric_mean(list(time.values())), "real": geometric_mean(real),
            "worst": max(time.values(), default=None), "worst_load": max(time, key=time.get, default=None),
            "memory_mean": geometric_mean(list(memory.values())),
            "memory_worst": max(memory.values(), default=None)}
    return summary


def parse_special(special):
    """The texts of pairs, scaling and walk: {contender: {row: number}}, the best of the repetitions."""
    numbers = {}
    for name, contenders in special.items():
        for contender, texts in contenders.items():
            row = numbers.setdefault(contender, {})
            for line in (line.split() for text in texts for line in text.splitlines()):
                key, value = ("scaling", float(line[1])) if name == "scaling" else (f"{name} {line[0]}", float(line[1]))
                lower_is_better = name == "pairs"
                best = min if lower_is_better else max
                row[key] = best(row[key], value) if key in row else value
    return numbers


def number(value, digits=2):
    if value is None:
        return MISSING
    if value >= 100:
        return f"{value:.0f}"
    if value >= 10:
        return f"{value:.1f}"
    return f"{value:.{digits}f}"


def table(loads, results, special, contenders, notes):
    """
    Rows of cells, None for a line between. The glibc column has seconds (of processor time) where the
    others have ratios. Puts what needs saying below into `notes`.
    """
    summary = summarize(loads, results, contenders)
    numbers = parse_special(special)
    rows = [["", "glibc"] + [contender.name for contender in contenders], None]

    def summary_row(title, key, show=number):
        rows.append([title, ""] + [show(summary[c.name][key]) for c in contenders])

    def number_row(title, key, show=number):
        if any(key in values for values in numbers.values()):
            rows.append([title] + [show(numbers.get(name, {}).get(key))
                                   for name in ["glibc"] + [c.name for c in contenders]])

    for kind in ("made", "real"):
        of_kind = [load for load in loads if load.kind == kind]
        for load in of_kind:
            result = results[load.name]
            base = statistics.median(run["cpu"] for run in result["glibc"]) if result["glibc"] else None
            rows.append([load.name, f"{number(base)} s"] +
                        [number(summary[c.name]["time"].get(load.name)) for c in contenders])
            notes += [f"{name}, {load.name}: {reason}" for name, reason in result["failed"].items()]
        if of_kind:
            rows.append(None)
    if loads:
        real = [load for load in loads if load.kind == "real"]
        summary_row(f"all {len(loads)}", "all")
        if real:
            summary_row(f"{len(real)} real", "real")
        summary_row("worst", "worst")
        summary_row("  which", "worst_load", lambda name: name or MISSING)
        summary_row("finished", "finished", str)
        big = {name for c in contenders for name in summary[c.name]["memory"]}
        if big:
            summary_row("peak memory", "memory_mean")
            summary_row("  worst", "memory_worst")
            notes.append("peak memory: " + ", ".join(load.name for load in loads if load.name in big))
        rows.append(None)
    number_row("2 threads", "scaling")
    for size, title in PAIR_SIZES.items():
        number_row(f"ns, {title}", f"pairs {size}", lambda value: number(value, 1))
    million = lambda value: number(None if value is None else value / 1e6, 1)
    number_row("Mblocks/s", "walk blocks_per_second", million)
    number_row("poison GB/s", "walk poison_per_second", lambda value: number(value / 1e9 if value else None))
    number_row("read GB/s", "walk read_per_second", lambda value: number(value / 1e9 if value else None))
    return rows[:-1] if rows[-1] is None else rows, summary, numbers


def as_text(rows):
    widths = [max(len(row[column]) for row in rows if row) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        if row is None:
            lines.append("-" * (sum(widths) + 2 * (len(widths) - 1)))
        else:
            lines.append("  ".join([row[0].ljust(widths[0])] +
                                   [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]).rstrip())
    return "\n".join(lines)


def as_markdown(rows):
    lines = []
    for row in rows:
        if row is None:
            continue
        lines.append("| " + " | ".join(cell.strip() for cell in row) + " |")
        if len(lines) == 1:
            lines.append("| --- |" + " ---: |" * (len(row) - 1))
    return "\n".join(lines)
