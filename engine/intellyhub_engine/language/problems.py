"""A fault in a flow text: where it is, what was expected, and what to write instead."""

from __future__ import annotations

from enum import StrEnum

from intellyhub_engine.frozen import dataclass

__all__ = ["Position", "Problem", "ProblemCode", "Severity"]


class Severity(StrEnum):
    ERROR = "error"  # the flow is refused
    WARNING = "warning"  # the flow runs; a person should look


class ProblemCode(StrEnum):
    """Every fault a flow text can have; docs/problems.md tells meaning and remedy of each."""

    # the file and its text
    UNREADABLE_FILE = "unreadable-file"
    TEXT_TOO_LARGE = "text-too-large"
    NOT_TEXT = "not-text"
    WRONG_ENCODING = "wrong-encoding"
    YAML_SYNTAX = "yaml-syntax"
    TAB_INDENTATION = "tab-indentation"
    UNKNOWN_TAG = "unknown-tag"
    WRONG_TAGGED_VALUE = "wrong-tagged-value"
    SEVERAL_DOCUMENTS = "several-documents"
    TOO_DEEP = "too-deep"
    TOO_MANY_NODES = "too-many-nodes"
    UNKNOWN_ANCHOR = "unknown-anchor"
    RECURSIVE_ALIAS = "recursive-alias"
    WRONG_MERGE = "wrong-merge"
    COMPLEX_KEY = "complex-key"
    DUPLICATE_KEY = "duplicate-key"
    REPAIRED = "repaired"
    # the document
    EMPTY_FLOW = "empty-flow"
    NOT_A_MAPPING = "not-a-mapping"
    UNKNOWN_KEY = "unknown-key"
    WRONG_VALUE = "wrong-value"
    WRONG_SCHEMA = "wrong-schema"
    # the states
    NO_STATES = "no-states"
    DUPLICATE_STATE = "duplicate-state"
    MISSING_TYPE = "missing-type"
    UNKNOWN_STATE_TYPE = "unknown-state-type"
    NOT_INSTALLED = "not-installed"
    HIDDEN_TARGET = "hidden-target"
    MISSING_ACTION = "missing-action"
    SEVERAL_ACTIONS = "several-actions"
    MISSING_BODY = "missing-body"
    SEVERAL_BODIES = "several-bodies"
    # the graph
    UNKNOWN_START = "unknown-start"
    UNKNOWN_TARGET = "unknown-target"
    UNREACHABLE_STATE = "unreachable-state"
    ENDLESS_LOOP = "endless-loop"
    ENDLESS_WHILE = "endless-while"
    ENDLESS_CALL = "endless-call"
    UNREPEATED_LOOP = "unrepeated-loop"
    LOOP_TARGET_OUTSIDE = "loop-target-outside"
    # the parameters
    MISSING_PARAMETER = "missing-parameter"
    UNKNOWN_PARAMETER = "unknown-parameter"
    WRONG_TYPE = "wrong-type"
    NOT_A_CHOICE = "not-a-choice"
    OUT_OF_RANGE = "out-of-range"
    INVALID_NAME = "invalid-name"
    # what is evaluated
    INVALID_CONDITION = "invalid-condition"
    INVALID_TEMPLATE = "invalid-template"
    INVALID_CODE = "invalid-code"
    INVALID_SHELL = "invalid-shell"
    NESTED_INTERPRETER = "nested-interpreter"
    # the listener and the tests
    MISSING_LISTENER_TYPE = "missing-listener-type"
    UNKNOWN_LISTENER_TYPE = "unknown-listener-type"
    UNKNOWN_TEST_STATE = "unknown-test-state"


@dataclass(frozen=True)
class Position:
    """A place in a flow text; lines and columns count from 1."""

    line: int
    column: int


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One fault. `code` is stable and documented (for example `unknown-target`)."""

    code: ProblemCode
    message: str
    severity: Severity = Severity.ERROR
    position: Position | None = None
    state: str | None = None
    expected: str | None = None
    suggestion: str | None = None

    def __str__(self) -> str:
        place = f"line {self.position.line}, column {self.position.column}: " if self.position else ""
        hint = f" ({self.suggestion})" if self.suggestion else ""
        return f"{place}{self.message}{hint}"
