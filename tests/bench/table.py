"""table.py - the results as Markdown, to be read on a terminal and pasted into a page."""

CLASSES = ("dispatcher", "worker", "runner", "postgres", "redis", "client")


def number(value):
    """Three digits that matter, thousands apart."""
    if value is None:
        return "–"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 10 else f"{value:.1f}"


def shares(figures):
    """Per cent of all cores, by class of processes."""
    share = figures.get("cpu_share", {})
    names = [name for name in CLASSES if share.get(name, 0) >= 0.005] + [name for name in share if name not in CLASSES]
    return " ".join(f"{name} {share[name] * 100:.0f}" for name in names if share[name] >= 0.005) or "–"


def total(figures, name):
    """Of all classes but the client, which is not ours."""
    return sum(value for each, value in figures.get(name, {}).items() if each != "client") or None


def missed(contestant):
    median, limits = contestant["value"]["median"], contestant["limits"]
    p99 = contestant["figures"].get("p99")
    return (("least" in limits and median < limits["least"]) or ("most" in limits and median > limits["most"])
            or ("p99_most" in limits and p99 is not None and p99 > limits["p99_most"]))


def wanted(limits):
    parts = [f"≥ {number(limits['least'])}"] if "least" in limits else []
    parts += [f"≤ {number(limits['most'])}"] if "most" in limits else []
    parts += [f"p99 ≤ {number(limits['p99_most'])}"] if "p99_most" in limits else []
    return ", ".join(parts)


def spread(value):
    return f"**{number(value['median'])}** ({number(value['min'])} – {number(value['max'])})"


def value_of(contestant, unit):
    p99 = contestant["figures"].get("p99")
    return f"{spread(contestant['value'])} {unit}" + (f", p99 {number(p99)}" if p99 is not None else "")


def grid(head, rows):
    return ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)] + ["| " + " | ".join(row) + " |" for row in rows]


def each(results):
    for entry in results["scenarios"].values():
        for name, contestant in entry["contestants"].items():
            yield entry, name, contestant


def speed_table(results):
    rows = []
    for entry, name, contestant in each(results):
        limit = wanted(contestant["limits"])
        rows.append([entry["title"], name, value_of(contestant, entry["unit"]),
                     limit + (" **not met**" if limit and missed(contestant) else "")])
    return grid(["what", "who", "median (least – most)", "wanted"], rows)


def ratio_table(results):
    rows = []
    for entry in results["scenarios"].values():
        for pair, ratio in entry["ratios"].items():
            limit = entry.get("ratio_limits", {}).get(pair)
            text = f"≥ {limit}" + ("" if ratio["median"] >= limit else " **not met**") if limit else ""
            rows.append([entry["title"], pair, f"**{ratio['median']:.2f}** ({ratio['min']:.2f} – {ratio['max']:.2f})", text])
    return grid(["what", "of what", "ratio, turn by turn", "wanted"], rows) if rows else []


def cost_table(results):
    rows = []
    for entry, name, contestant in each(results):
        figures = contestant["figures"]
        if not figures.get("cpu_us"):
            continue
        rows.append([entry["title"], name, number(total(figures, "cpu_us")), shares(figures), number(figures.get("wal_bytes")),
                     number(figures.get("row_writes")), number(figures.get("redis_commands")), number(total(figures, "switches"))])
    head = ["what", "who", "CPU µs", "% of all cores", "WAL bytes", "row writes", "Redis commands", "context switches"]
    return grid(head, rows) if rows else []


def curve_table(results):
    rows = [[curve["title"], f"{point['x']:,}", f"{spread(point)} {curve['y']}", number(point["cpu_us"])]
            for curve in results["curves"].values() for point in curve["points"]]
    return grid(["curve", "at", "median (least – most)", "CPU µs, with the client's"], rows) if rows else []


def heading(results):
    machine, versions, settings = results["machine"], results["versions"], results["settings"]
    text = (f"{results['date'][:10]}, {machine['cores']} cores of {machine['cpu']}{' (virtual)' if machine['virtual'] else ''}, "
            f"{machine['memory_kb'] / 1048576:.0f} GiB, {machine['system']}, kernel {machine['kernel']}. "
            + ", ".join(f"{name} {version}" for name, version in versions.items() if version)
            + f". Medians of {results['repeat']} turns, seed {results['seed']}; "
            + ", ".join(f"{name} {value}" for name, value in settings.items() if name not in ("repeat", "seed")) + ".")
    return [text]


def notes(results):
    found = list(results["notes"])
    for entry in results["scenarios"].values():
        found += [f"{entry['title']}: {note}" for note in entry.get("notes", [])]
    return [f"- {note}" for note in found]


def tables(results):
    parts = [heading(results), speed_table(results) if results["scenarios"] else [], ratio_table(results),
             ["Cost of a unit (a step, a job, a picture), medians; CPU and switches without the client's:"] if cost_table(results) else [],
             cost_table(results), curve_table(results), notes(results)]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"
