"""Entries as the JSON text a record keeps, and back.

An entry is an array: its kind, then its fields in order. Values of the flow (`language.values`) keep their tags.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from intellyhub_engine.errors import InputInvalid, ValueRefused
from intellyhub_engine.events import Event
from intellyhub_engine.journal.leases import LAST_NS
from intellyhub_engine.journal.records import (
    Entry,
    Logged,
    RunFinished,
    RunStart,
    RunStatus,
    RunSuspended,
    RunWoken,
    StepFinished,
    StepStarted,
    StepStatus,
    Used,
    used_in,
    wakings_in,
)
from intellyhub_engine.language.values.values import decode, encode, wrap

__all__ = [
    "MAX_ENTRY_BYTES",
    "Inspected",
    "decode_event",
    "decode_filter",
    "decode_record",
    "decode_start",
    "encode_entries",
    "encode_event",
    "encode_filter",
    "encode_start",
    "inspect_record",
    "refuse_broken_text",
    "whole",
]

MAX_ENTRY_BYTES = 8 * 1024 * 1024
"""What one entry may take, so that one run cannot fill the disk of all; above it values belong in files."""

MAX_AMOUNT = 1e15
MAX_AMOUNTS = 32
_KINDS: Mapping[str, type[Entry]] = {
    "started": StepStarted,
    "finished": StepFinished,
    "log": Logged,
    "used": Used,
    "suspended": RunSuspended,
    "woken": RunWoken,
    "ended": RunFinished,
}
_LENGTHS = {name: 1 + len(kind._fields) for name, kind in _KINDS.items()}
_CLOSING = frozenset({"suspended", "ended"})
Keep = Callable[[Any], Any]
"""How a value of the flow is written: `_light` or `_exact`."""

_LIGHT = frozenset({str, int, bool, type(None)})
_NAMES = {kind: name for name, kind in _KINDS.items()}


def encode_entries(entries: Sequence[Entry], max_entry_bytes: int = MAX_ENTRY_BYTES) -> str:
    """The body of one record. Raises `ValueRefused` naming state and variable for an entry above `max_entry_bytes`."""
    try:
        body = orjson.dumps([_fields(entry, _light) for entry in entries])
    except ValueRefused as fault:
        raise _naming_variable(entries, fault) from fault
    except orjson.JSONEncodeError:
        body = orjson.dumps([_repaired(_fields(entry, _exact)) for entry in entries])
    if len(body) > max_entry_bytes:
        for entry in entries:
            _refuse_large(entry, max_entry_bytes)
    return body.decode()


def decode_record(body: str | bytes) -> list[Entry]:
    """The entries of one record. Values of classes a function brings come without their class (`values.revive`)."""
    return [_decode_entry(fields) for fields in orjson.loads(body)]


def encode_start(start: RunStart, max_entry_bytes: int = MAX_ENTRY_BYTES) -> str:
    """What a run's first record keeps of its start, beside the columns of its row."""
    event = start.event and _event_fields(start.event, _exact)
    body = orjson.dumps(_repaired([["start", event, _values_to_keep(start.variables, _exact), start.state]]))
    if len(body) > max_entry_bytes:
        raise ValueRefused(
            f"the event and variables of the run take {len(body):,} bytes; the journal keeps up to "
            f"{max_entry_bytes:,}. Put the large one into a file and hand over its path"
        )
    return body.decode()


class Inspected(NamedTuple):
    """What a writer must know of entries that someone else encoded."""

    seq: int
    """The last step they speak of."""
    closing: RunFinished | RunSuspended | None
    """The last entry, where it ends the lease."""
    closing_filter: str | None
    """What that one waits for, encoded."""
    woken: Sequence[tuple[str, str]]
    """Source and id of the events that woke the run."""
    used: Sequence[Used]
    """What the run has spent."""


def inspect_record(body: bytes) -> Inspected:
    """Look into a record. Raises `InputInvalid` for what is no record's body."""
    try:
        entries = orjson.loads(body)
        if type(entries) is not list:
            raise InputInvalid("a record is a list of entries")
        for fields in entries:
            if len(fields) != _LENGTHS[fields[0]]:
                raise InputInvalid(f"an entry of kind {fields[0]!r} has {len(fields)} fields")
        seq = max([int(fields[1]) for fields in entries if fields[0] != "ended"], default=0)
        woken = wakings_in([_decode_entry(fields) for fields in entries if fields[0] == "woken"])
        used = used_in([checked_use(fields) for fields in entries if fields[0] == "used"])
        if not all(isinstance(text, str) for pair in woken for text in pair):
            raise InputInvalid("an event's source and id are texts")
        closing = _decode_entry(entries[-1]) if entries and entries[-1][0] in _CLOSING else None
    except (ValueError, TypeError, KeyError, IndexError) as fault:
        raise InputInvalid("this is not a record of a run as the journal keeps it") from fault
    if not isinstance(closing, RunSuspended):
        return Inspected(seq, closing, None, woken, used)  # type: ignore[arg-type]
    awaited = encode_filter(closing.event_filter) if closing.event_filter is not None else None
    return Inspected(seq, closing, awaited, woken, used)


def checked_use(fields: list[Any]) -> Used:
    """The entry. Raises `InputInvalid` for amounts that cannot be added up."""
    entry = Used(*fields[1:])
    if not isinstance(entry.amounts, dict) or len(entry.amounts) > MAX_AMOUNTS or type(entry.at_ns) is not int:
        raise InputInvalid(f"what a step has spent is told as up to {MAX_AMOUNTS} amounts by name")
    if not all(type(amount) in (int, float) and 0 <= amount < MAX_AMOUNT for amount in entry.amounts.values()):
        raise InputInvalid("what a step has spent is told in numbers from 0 on")
    return entry


def decode_start(body: str | bytes) -> tuple[Event | None, dict[str, Any], str | None]:
    """Event, variables and first state of a run."""
    _, event, variables, state = orjson.loads(body)[0]
    return event and _event(event), _values(variables), state


def encode_event(event: Event, max_bytes: int = MAX_ENTRY_BYTES) -> str:
    """An event by itself. Raises `ValueRefused` above `max_bytes`."""
    body = orjson.dumps(_repaired(_event_fields(event, _exact)))
    if len(body) > max_bytes:
        raise ValueRefused(f"the event takes {len(body):,} bytes; up to {max_bytes:,} are kept")
    return body.decode()


def decode_event(body: str | bytes) -> Event:
    """The event that `encode_event` wrote."""
    return _event(orjson.loads(body))


def encode_filter(event_filter: Mapping[str, Any]) -> str:
    """What a suspended run waits for, as its row keeps it."""
    return orjson.dumps(_values_to_keep(event_filter, _exact)).decode()


def decode_filter(encoded: str) -> dict[str, Any]:
    """What a suspended run waits for."""
    return _values(orjson.loads(encoded))


def refuse_broken_text(start: RunStart) -> None:
    """Raise `InputInvalid` for half a surrogate pair, as an event's JSON can have: columns hold whole characters."""
    event = (start.event.source, start.event.id) if start.event else ()
    for text in (start.run_id, start.flow, start.version, *event):
        try:
            text.encode()
        except UnicodeEncodeError as fault:
            raise InputInvalid(f"{text!r} holds half of a surrogate pair; write it as UTF-8") from fault


def whole(text: str | None) -> str | None:
    """The text without halves of surrogate pairs, which neither JSON nor SQLite can hold."""
    return text and text.encode(errors="replace").decode()


def _fields(entry: Entry, keep: Keep) -> list[Any]:
    fields: list[Any] = [_NAMES[type(entry)], *entry]
    if isinstance(entry, StepFinished):
        if keep is _exact or not _LIGHT.issuperset(map(type, entry.changes.values())):
            fields[9] = _values_to_keep(entry.changes, keep)
        if entry.loops:
            fields[11] = {name: _values_to_keep(loop, keep) for name, loop in entry.loops.items()}
        if entry.emitted:
            fields[12] = [_event_fields(event, keep) for event in entry.emitted]
    elif isinstance(entry, RunSuspended):
        fields[3] = None if entry.until_ns is None else min(entry.until_ns, LAST_NS)
        fields[4] = entry.event_filter and _values_to_keep(entry.event_filter, keep)
    elif isinstance(entry, RunFinished):
        fields[4] = keep(entry.output)
    return fields


def _decode_entry(fields: list[Any]) -> Entry:
    kind = _KINDS[fields[0]]
    if kind is StepFinished:
        fields[5] = StepStatus(fields[5])
        fields[9] = _values(fields[9])
        fields[11] = fields[11] and {name: _values(loop) for name, loop in fields[11].items()}
        fields[12] = tuple(_event(event) for event in fields[12])
        fields[13] = tuple(fields[13])
    elif kind is RunSuspended:
        fields[4] = fields[4] and _values(fields[4])
    elif kind is RunFinished:
        fields[1], fields[4] = RunStatus(fields[1]), _value(fields[4])
    return kind(*fields[1:])


def _values_to_keep(values: Mapping[str, Any], keep: Keep) -> dict[str, Any]:
    return {name: keep(value) for name, value in values.items()}


def _light(value: Any) -> Any:
    """The value for `orjson` to write, where it writes what `encode` would or refuses; else as `_exact`."""
    return value if type(value) in _LIGHT else _exact(value)


def _exact(value: Any) -> orjson.Fragment:
    """The value's own JSON, to stand inside a larger one."""
    try:
        return orjson.Fragment(encode(value))
    except ValueRefused:
        return orjson.Fragment(encode(wrap(value)))  # a plain dict, as a parsed event is


def _values(encoded: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _value(value) for name, value in encoded.items()}


def _value(encoded: Any) -> Any:
    if type(encoded) not in {dict, list}:
        return encoded
    try:
        return decode(orjson.dumps(encoded))
    except orjson.JSONEncodeError:  # it writes fewer levels than it reads
        return decode(json.dumps(encoded).encode())


def _event_fields(event: Event, keep: Keep) -> list[Any]:
    return [
        event.id,
        event.source,
        event.type,
        keep(event.data),
        event.subject,
        event.time,
        event.datacontenttype,
        event.dataschema,
        dict(event.extensions),
    ]


def _event(fields: Sequence[Any]) -> Event:
    identity, source, kind, data, subject, time, datacontenttype, dataschema, extensions = fields
    return Event(
        id=identity,
        source=source,
        type=kind,
        data=_value(data),
        subject=subject,
        time=time,
        datacontenttype=datacontenttype,
        dataschema=dataschema,
        extensions=extensions,
    )


def _repaired(field: Any) -> Any:
    """The field without halves of surrogate pairs, which undecodable output leaves in a message."""
    if isinstance(field, str):
        return whole(field)
    return [_repaired(item) for item in field] if isinstance(field, list | tuple) else field


def _refuse_large(entry: Entry, limit: int) -> None:
    size = len(encode_entries([entry], max_entry_bytes=sys.maxsize))
    if size <= limit:
        return
    state = getattr(entry, "state", None)
    place = f"state {state!r}" if state else "the run's end" if isinstance(entry, RunFinished) else "a log line"
    culprit = "its entry"
    if isinstance(entry, StepFinished) and entry.changes:
        sizes = {name: len(orjson.dumps(_light(value))) for name, value in entry.changes.items()}
        name = max(sizes, key=sizes.__getitem__)
        culprit = f"variable {name!r} ({sizes[name]:,} bytes) is part of an entry that"
    raise ValueRefused(
        f"{place}: {culprit} takes {size:,} bytes; the journal keeps up to {limit:,}. "
        "Write the value to a file and keep its path in the variable"
    )


def _naming_variable(entries: Sequence[Entry], fault: ValueRefused) -> ValueRefused:
    """The same fault, with the state and the variable that has it."""
    for entry in entries:
        if isinstance(entry, StepFinished):
            for name, value in entry.changes.items():
                if _is_refused(value):
                    return ValueRefused(f"state {entry.state!r}: variable {name!r}: {fault}")
    return fault


def _is_refused(value: Any) -> bool:
    try:
        _exact(value)
    except ValueRefused:
        return True
    return False
