"""What a study varies, in any of its forms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Discriminator, Tag

from simulator.errors import did_you_mean
from simulator.study.level import Form
from simulator.study.listed import Choice, Values, Variants
from simulator.study.measured import LogUniform, Normal, Range, Triangular, Uniform

__all__ = ["Factor", "levels"]

# by the key that only this form has; a bell may have limits, which look like a range
_FORMS: Mapping[str, type[Form]] = {
    "normal": Normal, "from": Range, "to": Range, "uniform": Uniform, "loguniform": LogUniform,
    "triangular": Triangular, "choice": Choice, "variants": Variants,
}  # fmt: skip
_WAYS = (
    "[…], {from: …, to: …, steps: …}, {uniform: […]}, {loguniform: […]}, {normal: {mean: …, sd: …}}, "
    "{triangular: […]}, {choice: […]} or {variants: {NAME: {PATH: VALUE}}}"
)


def _form(written: Any) -> str | None:
    """Class of the form a factor is written in."""
    if isinstance(written, list | tuple):
        return "Values"
    if isinstance(written, dict):
        return next((form.__name__ for key, form in _FORMS.items() if key in written), None)
    return type(written).__name__ if isinstance(written, Values | Form) else None


def _known(written: Any) -> Any:
    if _form(written) is None:
        keys = [str(key) for key in written] if isinstance(written, dict) else []
        shown = f"a mapping with {', '.join(keys) or 'nothing'}" if isinstance(written, dict) else str(written)
        hint = next(filter(None, (did_you_mean(key, _FORMS) for key in keys)), "")
        raise ValueError(f"expected {_WAYS}; got {shown[:80]}{hint}")
    return written


Factor = Annotated[
    Annotated[Values, Tag("Values")]
    | Annotated[Range, Tag("Range")]
    | Annotated[Uniform, Tag("Uniform")]
    | Annotated[LogUniform, Tag("LogUniform")]
    | Annotated[Normal, Tag("Normal")]
    | Annotated[Triangular, Tag("Triangular")]
    | Annotated[Choice, Tag("Choice")]
    | Annotated[Variants, Tag("Variants")],
    Discriminator(_form),
    BeforeValidator(_known),
]


def levels(factor: Any) -> int:
    """Number of values a grid would take; 0 of a distribution, which has no end of them."""
    return len(factor) if hasattr(factor, "__len__") else 0
