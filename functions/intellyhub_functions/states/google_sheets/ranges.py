"""A1 notation: `'My sheet'!B2:D9`. https://developers.google.com/sheets/api/guides/concepts#cell."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.language.values.values import text_of

__all__ = ["Corner", "column_name", "column_number", "corner_of", "find_column", "make_range"]

MOST_COLUMNS = 18_278
"""Column ZZZ."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Corner:
    """The upper left cell of a range, counted from 1."""

    row: int = 1
    column: int = 1


def make_range(sheet: str, written: str) -> str:
    """A range with its sheet; one that names its own sheet stays as it is. Without cells it is the whole sheet."""
    if "!" in written:
        return written
    quoted = "'" + sheet.replace("'", "''") + "'"
    return f"{quoted}!{written}" if written else quoted


def corner_of(written: str) -> Corner:
    """Where a range begins; A1 where it does not say."""
    match = re.fullmatch(r"([A-Za-z]{0,3})(\d{0,8})", written.rpartition("!")[2].partition(":")[0].replace("$", ""))
    if match is None:
        return Corner()
    return Corner(row=int(match[2] or 1), column=column_number(match[1]) if match[1] else 1)


def find_column(written: str, rows: list[list[Any]], corner: Corner) -> tuple[int, int]:
    """Which column a name, a letter or a number means, counted from 0 within the rows; and how many rows at the top are
    no data: one, where it is a name in the first row. Raises PermanentError."""
    names = [text_of(name).strip().casefold() for name in rows[0]] if rows and corner.row == 1 else []
    if written.casefold() in names:
        return names.index(written.casefold()), 1
    if re.fullmatch(r"[A-Za-z]{1,3}", written):
        number = column_number(written)
    elif written.isdigit() and 0 < len(written) < 6:
        number = int(written)
    else:
        raise PermanentError(f"search_column {written!r} is neither a column's letter nor in the first row")
    if not corner.column <= number <= MOST_COLUMNS:
        raise PermanentError(f"search_column {written!r} is not in the range")
    return number - corner.column, 0


def column_number(letters: str) -> int:
    """A is 1, Z is 26, AA is 27."""
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - ord("A") + 1
    return number


def column_name(number: int) -> str:
    """1 is A, 27 is AA."""
    letters = ""
    while number > 0:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters
