"""Bytes or text -> Document: the YAML of a flow as plain values, with the place of each.

Scalars are those of YAML 1.2 (scalars.py) on PyYAML's C parser. One pass over its events builds the values; nothing is
expanded, nothing recurses, and the limits below hold while reading, so that no text can exhaust the process.
"""

from __future__ import annotations

import codecs
import hashlib
import re

from intellyhub_engine.errors import FlowInvalid
from intellyhub_engine.language.problems import Position, Problem, ProblemCode, Severity
from intellyhub_engine.language.reading.compose import Document, compose
from intellyhub_engine.language.reading.repair import repair
from intellyhub_engine.language.reading.syntax import SyntaxFault, explain

__all__ = ["MAX_TEXT_BYTES", "read"]

MAX_TEXT_BYTES = 1_000_000
MAX_REPAIRS = 20

CONTROL_CHARACTER = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def read(source: bytes | str) -> Document:
    """Read one YAML document. Raises FlowInvalid, and nothing else, whatever the input."""
    text = _decode(source) if isinstance(source, bytes) else source
    _refuse_unreadable(text)
    digest = hashlib.sha256(source if isinstance(source, bytes) else text.encode()).hexdigest()
    warnings: list[Problem] = []
    while True:
        try:
            document = compose(text)
        except SyntaxFault as fault:
            repaired = repair(text, fault) if len(warnings) < MAX_REPAIRS else None
            if repaired is None:
                raise FlowInvalid([*warnings, explain(fault, text)]) from fault
            text, warning = repaired
            warnings.append(warning)
        else:
            document.problems.extend(warnings)
            document.digest = digest
            return document


def _decode(source: bytes) -> str:
    if len(source) > 2 * MAX_TEXT_BYTES:
        raise FlowInvalid([_too_large(len(source))])
    mark, encoding = next(((m, e) for m, e in BYTE_ORDER_MARKS if source.startswith(m)), (b"", "utf-8"))
    try:
        return source[len(mark) :].decode(encoding)
    except UnicodeDecodeError as fault:
        offset = len(mark) + fault.start
        if b"\0" in source:
            raise FlowInvalid([_binary(Position(line=1 + source.count(b"\n", 0, offset), column=1))]) from fault
        raise FlowInvalid([_wrong_encoding(source, offset, encoding)]) from fault


def _wrong_encoding(source: bytes, offset: int, encoding: str) -> Problem:
    line_start = source.rfind(b"\n", 0, offset) + 1
    column = len(source[line_start:offset].decode(encoding, "replace")) + 1
    return Problem(
        code=ProblemCode.WRONG_ENCODING,
        message=f"byte {offset} (0x{source[offset]:02x}) is not {encoding.upper()}",
        position=Position(line=source.count(b"\n", 0, offset) + 1, column=column),
        expected="UTF-8 text",
        suggestion="save the file as UTF-8",
    )


def _refuse_unreadable(text: str) -> None:
    size = len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
    if size > MAX_TEXT_BYTES:
        raise FlowInvalid([_too_large(size)])
    found = CONTROL_CHARACTER.search(text)
    if found is None:
        return
    line_start = text.rfind("\n", 0, found.start()) + 1
    position = Position(line=text.count("\n", 0, found.start()) + 1, column=found.start() - line_start + 1)
    raise FlowInvalid([_binary(position, found[0])])


def _too_large(size: int) -> Problem:
    return Problem(
        code=ProblemCode.TEXT_TOO_LARGE,
        message=f"the flow text has {size} bytes, the limit is {MAX_TEXT_BYTES}",
        severity=Severity.ERROR,
        expected="a flow text of at most 1 MB",
        suggestion="keep data in files that the flow reads, and split long flows with `call`",
    )


def _binary(position: Position, character: str = "\0") -> Problem:
    return Problem(
        code=ProblemCode.NOT_TEXT,
        message=f"the character U+{ord(character):04X} cannot stand in a flow text",
        position=position,
        expected="YAML text in UTF-8",
        suggestion="check that this is a flow file; inside double quotes write an escape such as \\x00",
    )
