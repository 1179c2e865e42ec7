"""A statement with its values bound: no value ever becomes part of a statement's text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.language.values.values import TextRecord, text_of
from intellyhub_functions.databases.placeholders import refuse_placeholders

if TYPE_CHECKING:
    from sqlalchemy import TextClause

    from intellyhub_functions.states.sql.database import Database

__all__ = ["Statement", "make_statement"]

MAX_SETS = 10_000
COMMENTS = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
READS = re.compile(r"\s*\(*\s*(select|values|table)\b", re.IGNORECASE)
WRITES = re.compile(r"\b(into|insert|update|delete|merge)\b", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """One statement and what is bound to its names."""

    clause: TextClause
    parameters: dict[str, Any] | list[dict[str, Any]]
    """Several sets run it several times."""
    only_reads: bool
    """Certainly; its rows need not all be fetched then."""

    @property
    def runs(self) -> bool:
        """False for an empty list of sets."""
        return self.parameters != []


def make_statement(text: str, given: Any, names: Mapping[str, Any], database: Database) -> Statement:
    """Bind `:name` to what `parameters` gives under that name, else to the flow's variable. Raises PermanentError for a
    name without a value, and for a `{placeholder}`: it would not be filled in."""
    from sqlalchemy import bindparam
    from sqlalchemy import text as make_clause

    refuse_placeholders(text, names, language="SQL", sign=":")
    clause = make_clause(text)
    wanted = tuple(clause.compile().params)
    sets = given if isinstance(given, list) else [given]
    if not wanted:
        sets, given = [None], None
    if len(sets) > MAX_SETS:
        raise PermanentError(f"parameters has more than {MAX_SETS} sets")
    found = [{name: value_of(name, one, names) for name in wanted} for one in sets]
    listed = {name for name in wanted if found and isinstance(found[0][name], list) and follows_in(text, name)}
    if listed:
        clause = make_clause(without_brackets(text, listed))
        clause = clause.bindparams(*(bindparam(name, expanding=True) for name in listed))
    bound = [
        {name: value if name in listed else bindable(value, database) for name, value in one.items()} for one in found
    ]
    plain = COMMENTS.sub(" ", text)
    return Statement(
        clause=clause,
        parameters=bound if isinstance(given, list) else bound[0],
        only_reads=bool(READS.match(plain)) and not WRITES.search(plain),
    )


def value_of(name: str, given: Any, names: Mapping[str, Any]) -> Any:
    """What is bound to a name."""
    if isinstance(given, Mapping):
        if name in given:
            return given[name]
    elif given is not None:
        raise PermanentError("parameters must be a mapping of names to values, or a list of such")
    if name in names:
        return names[name]
    raise PermanentError(f"the query's :{name} has no value; a colon that begins no name is written \\:")


def follows_in(text: str, name: str) -> bool:
    """Whether the name stands behind IN, so that its list is meant one by one."""
    return re.search(rf"\bin\s*\(?\s*:{re.escape(name)}\b", text, re.IGNORECASE) is not None


def without_brackets(text: str, names: set[str]) -> str:
    """`IN (:ids)` as `IN :ids`: the brackets come with the values."""
    return re.sub(
        rf"(\bin\s*)\(\s*(:(?:{'|'.join(map(re.escape, sorted(names)))}))\s*\)", r"\1\2", text, flags=re.IGNORECASE
    )


def bindable(value: Any, database: Database) -> Any:
    """The value as a driver takes it: records as JSON, texts as texts, lists as arrays where the database has them."""
    if isinstance(value, TextRecord) or (database.only_texts and isinstance(value, Decimal | timedelta)):
        return text_of(value)
    if database.only_texts and isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, list) and database.has_arrays and not any(isinstance(item, dict | list) for item in value):
        return value
    if isinstance(value, dict | set | frozenset) or (
        isinstance(value, Sequence) and not isinstance(value, str | bytes)
    ):
        content = sorted(value, key=str) if isinstance(value, set | frozenset) else value
        return json.dumps(content, ensure_ascii=False, default=text_of)
    return value
