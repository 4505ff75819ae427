"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def table(content: Mapping[str, Mapping[str, float | None]]) -> str:
    """A row for each entry, a column for each name that any of them has; nothing where a row has none."""
    columns = list(dict.fromkeys(name for row in content.values() for name in row))
    lines = [line("", columns), f"|---|{'---:|' * len(columns)}\n"]
    lines += [line(name, [number(row.get(column)) for column in columns]) for name, row in content.items()]
    return "".join(lines)


def line(name: str, cells: Iterable[str]) -> str:
    """A line of a table, where | within a cell is no end of it."""
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in [name, *cells]) + " |\n"


def number(value: float | None) -> str:
    """Five digits, more just below one; nothing where nothing was measured."""
    if value is None:
        return ""
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.8f}" if 0.999 < value < 1 else f"{value:.5g}"
