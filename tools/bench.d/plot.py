"""A picture of how costs grow with the number of live blocks: SVG, without a library."""

import html
import math

PANELS = [("malloc, ns each", 1), ("free, ns each", 2), ("walk, ns a block", 3), ("memory beyond what was asked, bytes a block", 4)]
COLOURS = ["#777777", "#1f77b4", "#2ca02c", "#d62728", "#9467bd", "#8c564b"]
WIDTH, HEIGHT, LEFT, TOP, GAP = 460, 300, 60, 70, 70


def nice_top(value):
    """1, 2 or 5 times a power of ten, at least value."""
    power = 10 ** math.floor(math.log10(value)) if value > 0 else 1
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value)


def text(x, y, words, size=12, anchor="start", extra=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" {extra}>{html.escape(words)}</text>'


def panel(x, y, title, column, figures, decades):
    """One quantity: blocks from left to right in powers of ten, what one of them costs upwards from 0."""
    # What a process takes to begin with is much for 1,000 blocks: that leaves the picture at its top.
    values = [line[column] for lines in figures.values() for line in lines if line[0] >= 1e4 or len(lines) < 4]
    top = nice_top(max(values + [1e-9]))
    across = lambda count: x + (math.log10(count) - decades[0]) / (decades[1] - decades[0]) * WIDTH
    upwards = lambda value: y + HEIGHT - min(max(value, 0), top) / top * HEIGHT
    out = [f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#333"/>', text(x, y - 8, title, 14)]
    for decade in range(decades[0], decades[1] + 1):
        at = across(10 ** decade)
        out += [f'<path d="M{at:.1f} {y}V{y + HEIGHT}" stroke="#ddd"/>',
                text(at, y + HEIGHT + 16, "10", 12, "middle").replace("</text>", f'<tspan dy="-5" font-size="9">{decade}</tspan></text>')]
    for part in range(0, 6):
        value = top * part / 5
        out += [f'<path d="M{x} {upwards(value):.1f}H{x + WIDTH}" stroke="#ddd"/>',
                text(x - 6, upwards(value) + 4, f"{value:g}", 11, "end")]
    for colour, lines in zip(COLOURS, figures.values()):
        points = [(across(line[0]), upwards(line[column])) for line in lines]
        if not points or (column == 3 and not any(line[3] for line in lines)):
            continue
        out.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="' +
                   " ".join(f"{px:.1f},{py:.1f}" for px, py in points) + '"/>')
        out += [f'<circle cx="{px:.1f}" cy="{py:.1f}" r="2.5" fill="{colour}"/>' for px, py in points]
    return out


def growth(figures, heading):
    """figures: {name: [[blocks, malloc, free, walk, bytes]]}; the SVG's text."""
    counts = [line[0] for lines in figures.values() for line in lines] or [1000]
    decades = (math.floor(math.log10(min(counts))), max(math.ceil(math.log10(max(counts))), math.floor(math.log10(min(counts))) + 1))
    width, height = LEFT + 2 * WIDTH + GAP + 20, TOP + 2 * HEIGHT + GAP + 40
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif">',
           f'<rect width="{width}" height="{height}" fill="white"/>',
           text(LEFT, 20, "What one block costs beside others, by the number of live blocks", 16), text(LEFT, 38, heading, 11)]
    at = LEFT
    for colour, name in zip(COLOURS, figures):
        out += [f'<rect x="{at}" y="44" width="12" height="4" fill="{colour}"/>', text(at + 16, 50, name, 12)]
        at += 40 + 8 * len(name)
    for index, (title, column) in enumerate(PANELS):
        x, y = LEFT + index % 2 * (WIDTH + GAP), TOP + 10 + index // 2 * (HEIGHT + GAP)
        out += panel(x, y, title, column, figures, decades)
    return "\n".join(out + ["</svg>", ""])
