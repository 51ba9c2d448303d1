"""The one look of all figures.

The palette is Okabe and Ito's, told apart by all common kinds of colour vision; curves differ in their dashes too.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "BLACK", "BLUE", "DPI", "GREEN", "GREY", "LINES", "ORANGE", "PURPLE", "SKY", "STYLE", "VERMILION", "YELLOW",
]  # fmt: skip

BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILION, PURPLE = (
    "#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7",
)  # fmt: skip
GREY = "#999999"
STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "hatch.linewidth": 0.4,
    "legend.frameon": False,
    "legend.fontsize": 8,
}
DPI = 110
# colour, dashes and marker of the first, second … curve
LINES = (
    (BLUE, "-", "o"), (VERMILION, "--", "s"), (GREEN, "-.", "^"), (PURPLE, ":", "D"), (ORANGE, (0, (5, 1)), "v"),
    (SKY, (0, (3, 1, 1, 1)), "P"), (BLACK, (0, (1, 1)), "X"), (GREY, "-", "*"),
)  # fmt: skip
