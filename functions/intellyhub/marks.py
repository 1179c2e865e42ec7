"""What `Annotated` can say about a parameter, beside its type. A plain text in `Annotated` is its description."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

__all__ = ["Alias", "Range", "Secret", "SecretMark"]


@dataclass(frozen=True)
class Range:
    """The least and the greatest value of a number; None is no limit: `Annotated[int, Range(1, 10)]`."""

    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True, init=False)
class Alias:
    """Other names under which a flow may give the parameter: `Annotated[str, Alias("to", "recipient")]`."""

    names: tuple[str, ...]

    def __init__(self, *names: str) -> None:
        object.__setattr__(self, "names", names)


@dataclass(frozen=True)
class SecretMark:
    """What makes `Secret` of `str`."""


Secret = Annotated[str, SecretMark()]
"""A text that is masked in logs, journals and answers."""
