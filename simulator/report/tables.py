"""The one look of all tables."""

from __future__ import annotations

from collections.abc import Iterable

from rich.table import Table

__all__ = ["table"]


def table(*columns: str, title: str = "", right: Iterable[int] = ()) -> Table:
    """A plain table: no frame, numbers on the right."""
    made = Table(
        title=title or None,
        title_justify="left",
        title_style="bold",
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
        show_header=any(columns),
        header_style="dim",
    )
    for number, column in enumerate(columns):
        made.add_column(column, justify="right" if number in right else "left", no_wrap=number in right)
    return made
