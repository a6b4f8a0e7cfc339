"""How figures are shown: a table of all sides, a table of what is held against a bound, a summary. Pure."""

from bench.figures import METRICS


def number(value, digits):
    return f"{value:,.{digits}f}"


def counted(count, what):
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def spread_text(spread, digits):
    """Spell the median, and the lowest and highest round where there is more than one."""
    low, high = number(spread.low, digits), number(spread.high, digits)
    middle = number(spread.median, digits)
    return middle if low == high else f"{middle} ({low}–{high})"


def markdown(head, rows):
    """Spell a table; columns that are empty in all rows are left out."""
    kept = [at for at in range(len(head)) if any(row[at] for row in rows)]
    cells = [[head[at] for at in kept], ["---"] * len(kept), *([row[at] for at in kept] for row in rows)]
    return "\n".join("| " + " | ".join(row) + " |" for row in cells)


def lines_table(lines):
    """Show each side with all its figures."""
    names = list(dict.fromkeys(name for line in lines for name in line.figures))
    head = ["what", "who", *(METRICS[name].label for name in names), "to be said"]
    rows = []
    for line in lines:
        shown = [
            spread_text(line.figures[name], METRICS[name].digits) if name in line.figures else ""
            for name in names
        ]
        rows.append([line.what, f"**{line.who}**" if line.is_ours else line.who, *shown, line.note])
    return markdown(head, rows)


def bound_text(goal):
    if goal.bound is None:
        return ""
    return f"at {'least' if goal.more_is_better else 'most'} {goal.bound:g}{goal.unit and ' ' + goal.unit}"


def goals_table(goals):
    """Show each goal, what was seen, and whether it was held."""
    rows = []
    for goal in goals:
        seen = spread_text(goal.seen, goal.digits) + (goal.unit and f" {goal.unit}")
        rows.append([goal.what, seen, bound_text(goal), {True: "yes", False: "**no**", None: ""}[goal.held]])
    return markdown(["figure", "measured", "goal", "held"], rows)


def part_text(part):
    """Show a part as Markdown: its tables, and what they were measured on."""
    tables = [lines_table(part.lines)] if part.lines else []
    if part.goals:
        tables.append(goals_table(part.goals))
    on = f"Measured on {part.machine}; {part.versions}. {part.form.capitalize()} form, {part.took_s:,.0f} s."
    return "\n\n".join([*tables, on])


def summary(parts, found, kept_in):
    """Say at the end what was missed, what was not measured, and what got worse than in a file, where there is one."""
    goals = [(part.name, goal) for part in parts for goal in part.goals if goal.bound is not None]
    missed = [f"{name}: {goal.what}: {spread_text(goal.seen, goal.digits)}{goal.unit and ' ' + goal.unit}, wanted {bound_text(goal)}"
              for name, goal in goals if not goal.held]  # fmt: skip
    without = [
        f"{part.name}, {line.what}: {line.who}: {line.note}"
        for part in parts
        for line in part.lines
        if not line.figures
    ]
    figures = sum(len(line.figures) for part in parts for line in part.lines)
    took_min = sum(part.took_s for part in parts) / 60
    text = [
        f"{counted(len(parts), 'part')} in {took_min:.1f} min, {counted(figures, 'figure')}, {counted(len(goals), 'goal')}, {len(missed)} missed"
    ]
    worse = "worse by more than a third"
    for title, entries in (
        ("missed", missed),
        ("without figures", without),
        (f"{worse} than in {kept_in}" if kept_in else worse, [str(finding) for finding in found]),
    ):
        nothing = "nothing to compare with" if title == worse else "none"
        text += [f"{title}:", *(f"  {entry}" for entry in entries)] if entries else [f"{title}: {nothing}"]
    return "\n".join(text)
