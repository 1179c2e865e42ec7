"""YAML events -> plain values, with a table that tells where each stood."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from yaml._yaml import CParser
from yaml.error import MarkedYAMLError, YAMLError
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)
from yaml.reader import ReaderError

from intellyhub_engine.errors import FlowInvalid
from intellyhub_engine.language.problems import Problem, ProblemCode
from intellyhub_engine.language.reading.document import Document, Duplicate, place_of
from intellyhub_engine.language.reading.scalars import (
    FIRST_OF_TEXT,
    YAML_TAG,
    TagInvalid,
    resolve_plain,
    resolve_tagged,
    short_tag,
)
from intellyhub_engine.language.reading.syntax import SyntaxFault

__all__ = ["MAX_DEPTH", "MAX_NODES", "Document", "compose"]

MAX_DEPTH = 100
MAX_NODES = 100_000
"""Counted as if every alias were written out."""

COLLECTION_TAGS = frozenset((None, "!", YAML_TAG + "map", YAML_TAG + "seq"))
MISSING = object()

CollectionStart = MappingStartEvent | SequenceStartEvent


def compose(text: str) -> Document:
    """Build the one document of the text. Raises SyntaxFault where YAML ends, FlowInvalid where our limits do."""
    composer = Composer(text)
    handlers = composer.handlers
    scalar = composer.scalar
    try:
        next_event = CParser(text).get_event
        while True:
            event = next_event()
            kind = event.__class__
            if kind is ScalarEvent:  # most are
                scalar(event)  # type: ignore[arg-type]
            elif kind is StreamEndEvent:
                return composer.document
            else:
                handlers[kind](event)  # type: ignore[index]
    except MarkedYAMLError as fault:
        mark = fault.problem_mark or fault.context_mark
        line, column = (mark.line, mark.column) if mark else (0, 0)
        begun = fault.context_mark
        opened = (begun.line, begun.column) if begun else None
        raise SyntaxFault(fault.problem or "", line, column, fault.context or "", opened) from fault
    except ReaderError as fault:
        raise SyntaxFault(fault.reason, text.count("\n", 0, fault.position), 0) from fault
    except YAMLError as fault:
        raise SyntaxFault(str(fault), 0, 0) from fault


class Frame:
    """A mapping or list that is still open."""

    __slots__ = ("count", "event", "key", "key_event", "merges", "places", "value")

    def __init__(self, value: dict[Any, Any] | list[Any], event: CollectionStart, count: int) -> None:
        self.value = value
        self.event = event
        self.count = count
        self.key: Any = MISSING
        self.key_event: Event | None = None
        self.places: dict[Any, tuple[Event, Event]] | list[Event] = {} if isinstance(value, dict) else []
        self.merges: list[dict[Any, Any]] = []


class Composer:
    """Takes events one by one; `document` is whole after the last."""

    def __init__(self, text: str) -> None:
        self.document = Document(text)
        self.stack: list[Frame] = []
        self.frame: Frame | None = None
        self.count = 0
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.open_anchors: set[str] = set()
        self.handlers: dict[type[Event], Callable[[Any], None]] = {
            MappingStartEvent: self.open_mapping,
            SequenceStartEvent: self.open_list,
            MappingEndEvent: self.close,
            SequenceEndEvent: self.close,
            AliasEvent: self.alias,
            StreamStartEvent: self.ignore,
            DocumentStartEvent: self.start_document,
            DocumentEndEvent: self.ignore,
        }

    def ignore(self, event: Event) -> None:
        """Nothing to build."""

    def start_document(self, event: DocumentStartEvent) -> None:
        if self.document.started:
            refuse(
                ProblemCode.SEVERAL_DOCUMENTS,
                "a second document begins here",
                event,
                expected="one flow per file",
                suggestion="move it to a file of its own, or remove the `---`",
            )
        self.document.started = True

    def scalar(self, event: ScalarEvent) -> None:
        value = event.value
        if event.implicit[0]:
            if value[:1] not in FIRST_OF_TEXT:
                value = resolve_plain(value)
        elif event.tag is not None:
            value = self.tagged(event)
        if event.anchor is not None:
            self.anchors[event.anchor] = (value, 1)
        self.place(value, event)

    def tagged(self, event: ScalarEvent) -> Any:
        try:
            return resolve_tagged(str(event.tag), event.value)
        except TagInvalid as fault:
            code = ProblemCode.UNKNOWN_TAG if fault.unknown else ProblemCode.WRONG_TAGGED_VALUE
            known = "!!str, !!int, !!float, !!bool, !!null or none"
            refuse(code, str(fault), event, expected=known, suggestion="remove it")

    def open_mapping(self, event: MappingStartEvent) -> None:
        self.open({}, event)

    def open_list(self, event: SequenceStartEvent) -> None:
        self.open([], event)

    def open(self, value: dict[Any, Any] | list[Any], event: CollectionStart) -> None:
        if event.tag not in COLLECTION_TAGS:
            refuse(
                ProblemCode.UNKNOWN_TAG,
                f"the tag {short_tag(str(event.tag))} is not allowed",
                event,
                expected="plain mappings, lists and scalars",
                suggestion="remove the tag",
            )
        if len(self.stack) >= MAX_DEPTH:
            refuse(
                ProblemCode.TOO_DEEP,
                f"more than {MAX_DEPTH} levels stand inside one another",
                event,
                expected=f"at most {MAX_DEPTH} levels",
                suggestion="split the flow with `call`",
            )
        if self.expects_key():
            refuse_complex_key(event)
        if event.anchor is not None:
            self.open_anchors.add(event.anchor)
        self.count += 1
        self.frame = Frame(value, event, self.count)
        self.stack.append(self.frame)
        self.document.table[id(value)] = (value, event, self.frame.places)

    def expects_key(self) -> bool:
        return self.frame is not None and self.frame.key is MISSING and isinstance(self.frame.value, dict)

    def close(self, event: Event) -> None:
        frame = self.stack.pop()
        self.frame = self.stack[-1] if self.stack else None
        if isinstance(frame.value, dict):
            for merged in frame.merges:
                merge(self.document, frame.value, merged)
        anchor = frame.event.anchor
        if anchor is not None:
            self.open_anchors.discard(anchor)
            self.anchors[anchor] = (frame.value, 1 + self.count - frame.count)
        self.count -= 1
        self.place(frame.value, frame.event)

    def alias(self, event: AliasEvent) -> None:
        if event.anchor in self.open_anchors:
            refuse(
                ProblemCode.RECURSIVE_ALIAS,
                f"*{event.anchor} stands inside the value it names",
                event,
                expected="values that end",
                suggestion="write the value out",
            )
        found = self.anchors.get(str(event.anchor))
        if found is None:
            refuse(
                ProblemCode.UNKNOWN_ANCHOR,
                f"no anchor &{event.anchor} stands before this",
                event,
                expected="an anchor `&name` above its use `*name`",
                suggestion="if the text begins with a star, put it in quotes",
            )
        value, count = found
        if isinstance(value, dict | list) and self.expects_key():
            refuse_complex_key(event)
        self.count += count - 1
        self.place(value, event)

    def place(self, value: Any, event: Event) -> None:
        """Put a finished value where it belongs."""
        self.count += 1
        if self.count > MAX_NODES:
            refuse(
                ProblemCode.TOO_MANY_NODES,
                f"the flow has more than {MAX_NODES} values once its aliases are written out",
                event,
                expected=f"at most {MAX_NODES} values",
                suggestion="keep data in files that the flow reads",
            )
        frame = self.frame
        if frame is None:
            self.document.root = value
        elif frame.value.__class__ is list:
            frame.value.append(value)
            frame.places.append(event)  # type: ignore[union-attr]
        elif frame.key is MISSING:
            frame.key = value if value.__class__ is str or value.__class__ is int else key_text(value, event)
            frame.key_event = event
        else:
            self.enter(frame, value, event)

    def enter(self, frame: Frame, value: Any, event: Event) -> None:
        """Complete a `key: value`. Where a key repeats, the last one counts."""
        key, key_event = frame.key, frame.key_event
        frame.key = MISSING
        if key == "<<" and isinstance(key_event, ScalarEvent) and key_event.implicit[0]:
            frame.merges.extend(mergeable(value, event))
            return
        if key in frame.value:
            self.document.duplicates.append(Duplicate(id(frame.value), key, key_event))
        frame.value[key] = value
        frame.places[key] = (key_event, event)  # type: ignore[assignment]


def key_text(value: Any, event: Event) -> str:
    """A key that is no text and no integer is what its author wrote: `true` and `1` are two keys, not one."""
    return event.value if isinstance(event, ScalarEvent) else str(value)


def mergeable(value: Any, event: Event) -> list[dict[Any, Any]]:
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(each, dict) for each in values):
        refuse(
            ProblemCode.WRONG_MERGE,
            "`<<` can merge only mappings",
            event,
            expected="an alias of a mapping, or a list of them",
            suggestion="put `<<` in quotes if it is meant as a key",
        )
    return values


def merge(document: Document, target: dict[Any, Any], merged: dict[Any, Any]) -> None:
    """Keys of the target win over merged ones, earlier merges over later.

    https://yaml.org/type/merge.html
    """
    places, origin = document.table[id(target)][2], document.table[id(merged)][2]
    for key, value in merged.items():
        if key not in target:
            target[key] = value
            places[key] = origin[key]


def refuse_complex_key(event: Event) -> NoReturn:
    refuse(
        ProblemCode.COMPLEX_KEY,
        "a mapping or list stands where a key must be",
        event,
        expected="a text as key",
        suggestion='if this is a placeholder, put it in quotes: "{name}"',
    )


def refuse(code: ProblemCode, message: str, event: Event, *, expected: str, suggestion: str) -> NoReturn:
    problem = Problem(code=code, message=message, position=place_of(event), expected=expected, suggestion=suggestion)
    raise FlowInvalid([problem])
