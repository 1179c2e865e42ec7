"""The `google_sheets` state: one action on one spreadsheet. https://developers.google.com/sheets/api/reference/rest."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

from intellyhub_engine.errors import PermanentError, StepFailed
from intellyhub_engine.language.values.values import Record, TextRecord, text_of
from intellyhub_engine.machine.step import Step
from intellyhub_functions.states.google_sheets.api import Sheets, open_sheets
from intellyhub_functions.states.google_sheets.ranges import column_name, corner_of, find_column, make_range

__all__ = ["perform"]

MAX_ROWS = 100_000
MAX_CELL_CHARACTERS = 50_000
"""What a cell holds: https://support.google.com/drive/answer/37603."""


def perform(parameters: Mapping[str, Any], step: Step) -> Record:
    """Do the action; gives `{success, ...}` as its page says. A failure's result is `{success, error}`."""
    try:
        return Record(success=True, **ACTIONS[parameters["action"]](open_sheets(parameters, step), parameters))
    except StepFailed as failure:
        failure.result = Record(success=False, error=str(failure))
        raise


def read(sheets: Sheets, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    """The cells, row by row; and as records, where the first row names the columns."""
    found = sheets.read(range_of(parameters))
    rows = rows_of(found)
    return {
        "data": rows,
        "records": records_of(rows),
        "range": text_of(found.get("range")),
        "rows_count": len(rows),
        "columns_count": max(map(len, rows), default=0),
    }


def write(sheets: Sheets, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    done = sheets.write(range_of(parameters, default="A1"), values_of(parameters), entered(parameters))
    return {name: done.get(key) for name, key in UPDATED.items()}


def append(sheets: Sheets, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Add rows below the table. Google takes no key for it: a repetition after a crash may add them again."""
    rows = values_of(parameters)
    done = sheets.append(range_of(parameters, default="A1"), rows, entered(parameters)).get("updates") or {}
    return {
        "updated_cells": done.get("updatedCells"),
        "updated_range": done.get("updatedRange"),
        "appended_rows": done.get("updatedRows", len(rows)),
    }


def clear(sheets: Sheets, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"cleared_range": sheets.clear(range_of(parameters)).get("clearedRange")}


def create_sheet(sheets: Sheets, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    """A new sheet; one that is there already is that of an earlier try."""
    made = sheets.add_sheet(sheet_of(parameters))
    return {"sheet_name": made.get("title"), "sheet_id": made.get("sheetId")}


def search(sheets: Sheets, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    """The cells that contain the text, ignoring case; with `match: exact` those that are it."""
    query = text_of(parameters.get("search_query"))
    if not query:
        raise PermanentError("search_query is missing; search needs what to look for")
    found = sheets.read(range_of(parameters))
    rows, corner = rows_of(found), corner_of(text_of(found.get("range")))
    written = text_of(parameters.get("search_column")).strip()
    column, skipped = find_column(written, rows, corner) if written else (None, 0)
    exact = parameters.get("match", "contains") == "exact"
    matches = [
        Record(row=corner.row + row, column=column_name(corner.column + cell), value=value, full_row=rows[row])
        for row, cell, value in cells_of(rows, column, skipped)
        if fits(text_of(value), query, exact=exact)
    ]
    return {
        "matches": matches,
        "matches_count": len(matches),
        "search_query": query,
        "search_column": written or None,
    }


def fits(value: str, query: str, *, exact: bool) -> bool:
    return value.strip() == query.strip() if exact else query.casefold() in value.casefold()


def cells_of(rows: list[Any], column: int | None, skipped: int) -> Any:
    """(row, column, value) of the cells in question, counted from 0."""
    for number, row in itertools.islice(enumerate(rows), skipped, None):
        if column is None:
            yield from ((number, cell, value) for cell, value in enumerate(row))
        elif column < len(row):
            yield number, column, row[column]


def range_of(parameters: Mapping[str, Any], default: str = "") -> str:
    """The range in A1 notation, with its sheet."""
    return make_range(sheet_of(parameters), text_of(parameters.get("range")).strip() or default)


def sheet_of(parameters: Mapping[str, Any]) -> str:
    return text_of(parameters.get("sheet_name") or "Sheet1").strip()


def entered(parameters: Mapping[str, Any]) -> bool:
    """Whether values are taken as if a person typed them: then `=…` is a formula, and a stranger's text may be one."""
    return bool(parameters.get("value_input", "raw") == "user_entered")


def values_of(parameters: Mapping[str, Any]) -> list[list[Any]]:
    """The rows to write: a list of lists; a single row, or a list of records with their values in order, counts too."""
    given = parameters.get("values")
    if not isinstance(given, list) or not given:
        raise PermanentError(f"values is missing; {parameters['action']} needs a list of rows")
    rows = given if all(isinstance(row, list | tuple) or is_record(row) for row in given) else [given]
    if len(rows) > MAX_ROWS:
        raise PermanentError(f"values has more than {MAX_ROWS} rows")
    return [list(map(cell_of, dict.values(row) if isinstance(row, dict) else row)) for row in rows]


def is_record(row: Any) -> bool:
    return isinstance(row, dict) and not isinstance(row, TextRecord)


def cell_of(value: Any) -> Any:
    """A value as a cell holds it: numbers and truth values as they are, all else as text; None leaves it empty."""
    if value is None:
        return ""
    return value if isinstance(value, bool | int | float) else text_of(value)[:MAX_CELL_CHARACTERS]


def rows_of(answer: Mapping[str, Any]) -> list[Any]:
    """The rows of an answer. Google leaves out empty rows and cells at the end."""
    rows = answer.get("values") or []
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise PermanentError("the answer is not Google's: its values are not rows")
    return rows


def records_of(rows: list[Any]) -> list[Record]:
    """The rows below the first as records by its names."""
    if not rows:
        return []
    names = [text_of(name).strip() or column_name(number) for number, name in enumerate(rows[0], start=1)]
    return [Record(itertools.zip_longest(names, row[: len(names)], fillvalue="")) for row in rows[1:]]


UPDATED = {
    "updated_cells": "updatedCells",
    "updated_range": "updatedRange",
    "updated_rows": "updatedRows",
    "updated_columns": "updatedColumns",
}
ACTIONS: Mapping[str, Callable[[Sheets, Mapping[str, Any]], Mapping[str, Any]]] = {
    "read": read,
    "write": write,
    "append": append,
    "search": search,
    "clear": clear,
    "create_sheet": create_sheet,
}
