"""plot.py - the curves of a results file as one SVG of small panels: plot.py RESULTS.json CURVES.svg

Points are medians, bars go from the least to the most of the turns. The y axes begin at 0.
"""
import json
import math
import sys
import textwrap
from html import escape

PANEL_W, PANEL_H = 400, 250
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 34, 46
COLUMNS = 2
HEAD, FOOT = 44, 58
INK, GRID, LINE = "#222", "#ddd", "#1f6fb4"


def short(n):
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if n >= size:
            return f"{n / size:g}{letter}"
    return f"{n:g}"


def nice_top(most):
    """The least of 1, 2, 2.5, 5 times a power of ten that is not under it."""
    if most <= 0:
        return 1
    power = 10 ** math.floor(math.log10(most))
    return next(step * power for step in (1, 1.5, 2, 2.5, 3, 4, 5, 7.5, 10) if step * power >= most)


def text(x, y, words, size=11, anchor="middle", **more):
    extra = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in more.items())
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{INK}"{extra}>{escape(str(words))}</text>'


def line(x1, y1, x2, y2, color=GRID, width=1):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{color}" stroke-width="{width}"/>'


class Panel:
    """One curve: a logarithmic x axis, on which 0 stands a step left of the first number."""

    def __init__(self, curve, left, top):
        self.curve, self.left, self.top = curve, left, top
        self.width, self.height = PANEL_W - LEFT - RIGHT, PANEL_H - TOP - BOTTOM
        xs = [point["x"] for point in curve["points"]]
        positive = [x for x in xs if x > 0]
        lows = [math.log10(x) for x in positive] or [0]
        span = (max(lows) - min(lows)) or 1
        self.zero = min(lows) - span / 4
        self.low, self.high = (self.zero if 0 in xs else min(lows)), max(lows)
        self.most = nice_top(max(point["max"] for point in curve["points"]))

    def x(self, value):
        at = math.log10(value) if value > 0 else self.zero
        share = (at - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return self.left + LEFT + 12 + share * (self.width - 24)

    def y(self, value):
        return self.top + TOP + self.height * (1 - value / self.most)

    def axes(self):
        left, bottom = self.left + LEFT, self.top + TOP + self.height
        parts = [text(left, self.top + 20, self.curve["title"], 13, "start", font_weight="bold")]
        for k in range(6):
            value = self.most * k / 5
            y = self.y(value)
            parts += [line(left, y, left + self.width, y), text(left - 6, y + 4, short(value), 10, "end")]
        for point in self.curve["points"]:
            x = self.x(point["x"])
            parts += [line(x, bottom, x, bottom + 4, INK), text(x, bottom + 16, short(point["x"]), 10)]
        middle = self.top + TOP + self.height / 2
        parts.append(line(left, bottom, left + self.width, bottom, INK))
        parts.append(text(left + self.width / 2, bottom + 34, self.curve["x"]))
        parts.append(text(self.left + 14, middle, self.curve["y"], transform=f"rotate(-90 {self.left + 14} {middle:.1f})"))
        return parts

    def marks(self):
        points = self.curve["points"]
        path = " ".join(f"{self.x(point['x']):.1f},{self.y(point['median']):.1f}" for point in points)
        parts = [f'<polyline points="{path}" fill="none" stroke="{LINE}" stroke-width="2"/>']
        for point in points:
            x = self.x(point["x"])
            parts.append(line(x, self.y(point["min"]), x, self.y(point["max"]), LINE, 1.5))
            parts += [line(x - 4, self.y(point[end]), x + 4, self.y(point[end]), LINE, 1.5) for end in ("min", "max")]
            parts.append(f'<circle cx="{x:.1f}" cy="{self.y(point["median"]):.1f}" r="3.5" fill="{LINE}"/>')
        return parts


def footer(results):
    machine, versions = results["machine"], results["versions"]
    left_out = [f"{curve['title']}: {', '.join(short(x) for x in curve['left_out'])}"
                for curve in results["curves"].values() if curve["left_out"]]
    lines = [f"{results['date'][:10]}, {machine['cores']} cores of {machine['cpu']}; everything on this machine. "
             + ", ".join(f"{name} {version}" for name, version in versions.items() if version and name != "Python"),
             "PostgreSQL with fsync and synchronous_commit, Redis with its append-only file (everysec). No-op steps, each a committed row. "
             f"Medians of {results['repeat']} turns, bars from least to most."]
    scale = results["settings"].get("scale", 1)
    if scale != 1:
        lines.append(f"Loads of {scale:g} times the usual size: SCALE={scale:g}.")
    if left_out:
        lines.append("Bounded sizes; only FULL=1 at SCALE=1 measures " + "; ".join(left_out) + ".")
    return [part for words in lines for part in textwrap.wrap(words, 135)]


def svg(results):
    curves, foot = list(results["curves"].values()), footer(results)
    rows = -(-len(curves) // COLUMNS)
    width, height = COLUMNS * PANEL_W + 20, HEAD + rows * PANEL_H + FOOT + 14 * len(foot)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
             'font-family="sans-serif">', f'<rect width="{width}" height="{height}" fill="#fff"/>',
             text(20, 28, "pixelfleet: throughput against what grows", 17, "start")]
    for i, curve in enumerate(curves):
        panel = Panel(curve, 10 + i % COLUMNS * PANEL_W, HEAD + i // COLUMNS * PANEL_H)
        parts += panel.axes() + panel.marks()
    for i, words in enumerate(foot):
        parts.append(text(20, HEAD + rows * PANEL_H + 20 + 14 * i, words, 10, "start"))
    return "\n".join(parts) + "\n</svg>\n"


def main():
    if len(sys.argv) != 3:
        raise SystemExit("usage: plot.py RESULTS.json CURVES.svg")
    with open(sys.argv[1], encoding="utf-8") as file:
        results = json.load(file)
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        file.write(svg(results))


if __name__ == "__main__":
    main()
