"""A compiled flow: what a run needs, each state ready to be made into a callable, and the bytes it is cached as.

States stay packed (one `marshal` text each) until a run first visits them, so that loading a cached program costs
little, however many states it has.
"""

from __future__ import annotations

import marshal
import sys
from collections.abc import Callable, Mapping
from dataclasses import fields
from types import CodeType
from typing import Any, NamedTuple

from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.language.expressions.codes import Code
from intellyhub_engine.language.model import Durability, FlowTest, Listener, Retry
from intellyhub_engine.language.problems import Position

__all__ = ["About", "Head", "LogCode", "Prelude", "Program", "ProgramStale", "StateCode", "dump", "load"]

FORMAT = ("intellyhub-engine 0.1.0", 2, sys.hexversion)
"""The engine's version, the layout of the bytes and the Python whose code objects they hold."""


class ProgramStale(InputInvalid):
    """A cached program was made by another engine or another Python, or is damaged: compile the flow again."""


class LogCode(NamedTuple):
    """A state's `log`."""

    message: Code
    level: str
    of_failure: bool
    """It speaks of `error_message`: logged when the state failed, and only then."""


class StateCode(NamedTuple):
    """One compiled state. Targets are those of the model; `codes` are its parameters, or a `set` state's values."""

    name: str
    type: str
    codes: Mapping[str, Code]
    targets: Mapping[str, str]
    output: str | Mapping[str, str] | None
    log: LogCode | None
    retry: Retry | None
    timeout_seconds: float | None
    mock: Any
    position: Position | None

    @classmethod
    def unreadable(cls, name: str) -> StateCode:
        """What stands for a state whose texts do not compile."""
        return cls(name, "?", {}, {}, None, None, None, None, None, None)


class About(NamedTuple):
    """What a program carries beside its machine: for tests, graphs and serving."""

    description: str
    dependencies: tuple[str, ...]
    tests: tuple[FlowTest, ...]
    input_schema: Mapping[str, Any] | None
    output_schema: Mapping[str, Any] | None
    budget: Mapping[str, Mapping[str, float]] | None
    """`{run, day, month: {tokens, cost_usd}}`."""


class Prelude(NamedTuple):
    """What is evaluated before the first state."""

    variables: Mapping[str, Code]
    """The author's block, entry by entry."""
    listener: Code
    """The listener's parameters as one template."""


class Head(NamedTuple):
    """What every run reads at once."""

    name: str
    digest: str
    start: str
    max_steps: int
    durability: Durability
    log_level: str
    variables: Mapping[str, Any]
    """The author's block, as written."""
    listener: Listener | None


class Program:
    """One flow version, compiled. Reading a state unpacks or compiles it; the result is kept."""

    __slots__ = ("_about", "_prelude", "_states", "head", "linked")

    def __init__(
        self,
        head: Head,
        states: Mapping[str, StateCode | bytes | Callable[[], StateCode]],
        prelude: Prelude | bytes | Callable[[], Prelude],
        about: About | bytes,
    ) -> None:
        self.head = head
        self._prelude = prelude
        self._states = dict(states)
        self._about = about
        self.linked: dict[Any, Any] = {}
        """Where the machine keeps the callables it made of the states."""

    @property
    def name(self) -> str:
        return self.head.name

    @property
    def digest(self) -> str:
        """The flow text's sha256: what a version is addressed by."""
        return self.head.digest

    @property
    def start(self) -> str:
        return self.head.start

    @property
    def max_steps(self) -> int:
        return self.head.max_steps

    @property
    def durability(self) -> Durability:
        return self.head.durability

    @property
    def log_level(self) -> str:
        return self.head.log_level

    @property
    def variables(self) -> Mapping[str, Any]:
        return self.head.variables

    @property
    def listener(self) -> Listener | None:
        return self.head.listener

    @property
    def prelude(self) -> Prelude:
        """Raises FlowInvalid where the block does not compile."""
        if not isinstance(self._prelude, Prelude):
            packed = self._prelude
            self._prelude = unpack_prelude(unpack(packed)) if isinstance(packed, bytes) else packed()
        return self._prelude

    @property
    def about(self) -> About:
        if isinstance(self._about, bytes):
            self._about = unpack_about(unpack(self._about))
        return self._about

    @property
    def description(self) -> str:
        return self.about.description

    @property
    def tests(self) -> tuple[FlowTest, ...]:
        return self.about.tests

    @property
    def input_schema(self) -> Mapping[str, Any] | None:
        return self.about.input_schema

    @property
    def output_schema(self) -> Mapping[str, Any] | None:
        return self.about.output_schema

    @property
    def names(self) -> tuple[str, ...]:
        """Every state, in document order."""
        return tuple(self._states)

    def __contains__(self, name: object) -> bool:
        return name in self._states

    def state(self, name: str) -> StateCode:
        """One state. Raises KeyError; FlowInvalid where its texts do not compile (`check` finds that before)."""
        packed = self._states[name]
        if not isinstance(packed, StateCode):
            packed = unpack_state(unpack(packed)) if isinstance(packed, bytes) else packed()
            self._states[name] = packed
        return packed


def dump(program: Program) -> bytes:
    """The program as bytes for a cache. Compiles every state that is not yet; raises FlowInvalid as `Program.state`."""
    head = program.head
    states = {name: pack(plain(program.state(name))) for name in program.names}
    packed_head = plain(head._replace(listener=None)), plain_fields(head.listener)
    prelude, about = pack(plain(program.prelude)), pack(plain_about(program.about))
    return pack((FORMAT, packed_head, states, prelude, about))


def load(packed: bytes) -> Program:
    """The program again. Raises ProgramStale."""
    try:
        made_by, *parts = unpack(packed)
        if made_by != FORMAT:
            raise ProgramStale(f"the compiled flow was made by {made_by!r}, this is {FORMAT!r}: compile it again")
        (head, listener), states, prelude, about = parts
        return Program(unpack_head(head, listener), states, prelude, about)
    except (EOFError, TypeError, ValueError) as fault:
        raise ProgramStale("the compiled flow is damaged: compile it again") from fault


def pack(value: Any) -> bytes:
    """Version 2 of marshal's format: later ones write how often a text is shared, so that equal programs differ."""
    return marshal.dumps(value, 2)


def unpack(packed: bytes) -> Any:
    """What `dump` packed. A cache is as trusted as the code beside it: it holds code objects."""
    return marshal.loads(packed)  # noqa: S302


_PLAIN = frozenset((str, int, float, bool, type(None), CodeType))


def plain(value: Any) -> Any:
    """The same value in the types that `marshal` keeps."""
    if value.__class__ in _PLAIN:
        return value
    if isinstance(value, Retry | Position):
        return plain_fields(value)
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple([plain(item) for item in value])
    if isinstance(value, list):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, str) else value


def plain_fields(value: Listener | FlowTest | Retry | Position | None) -> Any:
    return None if value is None else tuple(plain(getattr(value, each.name)) for each in fields(value))


def plain_about(about: About) -> Any:
    return plain(about._replace(tests=tuple(map(plain_fields, about.tests))))


def unpack_head(head: Any, listener: Any) -> Head:
    kept = Head._make(head)
    return kept._replace(
        durability=Durability(kept.durability),
        listener=None if listener is None else Listener(**fields_of(Listener, listener)),
    )


def unpack_prelude(prelude: Any) -> Prelude:
    variables, listener = prelude
    return Prelude({name: Code._make(code) for name, code in variables.items()}, Code._make(listener))


def unpack_state(state: Any) -> StateCode:
    name, kind, codes, targets, output, log, retry, timeout_seconds, mock, position = state
    return StateCode(
        name=name,
        type=kind,
        codes={parameter: Code._make(code) for parameter, code in codes.items()},
        targets=targets,
        output=output,
        log=None if log is None else LogCode(Code._make(log[0]), *log[1:]),
        retry=None if retry is None else Retry(**fields_of(Retry, retry)),
        timeout_seconds=timeout_seconds,
        mock=mock,
        position=None if position is None else Position(*position),
    )


def unpack_about(about: Any) -> About:
    kept = About._make(about)
    return kept._replace(tests=tuple(FlowTest(**fields_of(FlowTest, test)) for test in kept.tests))


def fields_of(kind: type[Retry | Listener | FlowTest], values: Any) -> dict[str, Any]:
    """The values by field name; a place in the text is made one again."""
    named = {each.name: value for each, value in zip(fields(kind), values, strict=True)}
    if (position := named.get("position")) is not None:
        line, column = position
        named["position"] = Position(line, column)
    return named
