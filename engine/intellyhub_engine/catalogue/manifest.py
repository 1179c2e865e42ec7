"""The manifest of a state type or a source: its parameters, what it does, what it makes.

The JSON shape is the one published plugins use (`documentation.parameters`, `state_type`, `listener_type`), with the
few keys of our own named here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from intellyhub_engine.frozen import dataclass

if TYPE_CHECKING:
    from intellyhub_engine.language.values.records import ValueRecord
    from intellyhub_engine.machine.hook import OpenHook
    from intellyhub_engine.machine.source import Complete
    from intellyhub_engine.machine.step import Perform

__all__ = ["Catalogue", "Examine", "Parameter", "ParameterFault", "SourceType", "StateType", "Syntax"]


class Syntax(StrEnum):
    """How a parameter's text is read."""

    TEMPLATE = "template"  # placeholders and Jinja; whole-value placeholders give native values (default)
    LITERAL = "literal"  # taken as written, never interpolated
    CONDITION = "condition"  # an expression giving a truth value
    CODE = "code"  # a Python block; the function receives a compiled Block
    SHELL = "shell"  # a shell script; placeholders are quoted for the context they stand in


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One parameter of a state type or source."""

    name: str
    types: tuple[str, ...] = ("any",)
    """`string`, `integer`, `number`, `boolean`, `array`, `object`, `any`; a value of one of them fits."""
    required: bool = False
    default: Any = None
    enum: tuple[Any, ...] = ()
    aliases: tuple[str, ...] = ()
    syntax: Syntax = Syntax.TEMPLATE
    minimum: float | None = None
    maximum: float | None = None
    secret: bool = False
    """Its value is masked in logs, journals and answers."""
    description: str = ""


@dataclass(frozen=True, kw_only=True)
class StateType:
    """A state type. `load` imports its code on first use, so that a flow pays only for what it uses."""

    type: str
    aliases: tuple[str, ...] = ()
    description: str = ""
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    effect: bool = True
    """True: it touches the world, so the journal is durable before it begins."""
    open_parameters: bool = False
    """True: keys the manifest does not name are accepted and handed over."""
    texts: bool = False
    """True: where a placeholder gives a number or a truth value, its text is handed over, unless a parameter's type
    says otherwise: published plugins expect that."""
    error_default: str | None = None
    """Where a failure goes when the state names no error target; None fails the run."""
    installed: bool = True
    """False: published for IntellyHub, known by name, its code not part of this installation."""
    example: Mapping[str, Any] | None = None
    load: Callable[[], Perform] | None = None
    load_examine: Callable[[], Examine] | None = None
    """As `SourceType.load_examine`."""


class ParameterFault(NamedTuple):
    """What a function says against parameters that it has only read, before the flow ever runs."""

    path: tuple[str | int, ...]
    """The parameter, then the way into its value; empty: the state or the listener as a whole."""
    message: str
    suggestion: str | None = None
    certain: bool = True
    """False: it depends on where the flow will run, and is a warning."""


Examine = Callable[[Mapping[str, Any], Collection[str]], Iterable[ParameterFault]]
"""`examine(known, unknown)`: the parameters as written, by canonical name, and the names of those with placeholders."""


@dataclass(frozen=True, kw_only=True)
class SourceType:
    """A listener's type: its parameters, the shape of its events and a sample of one."""

    type: str
    aliases: tuple[str, ...] = ()
    description: str = ""
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    event_type: str = ""
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Field of the event's data (what `event.<field>` shows) -> flat variable names it is also published under."""
    root: str | None = None
    """A convenience root beside `event`: `message`, `email`, `webhook`."""
    spread: str | None = None
    """The data field whose own keys are published as variables too (`body` of a webhook, `payload` of MQTT)."""
    sample: Mapping[str, Any] = field(default_factory=dict)
    """Event data for a run without an event."""
    open_fields: bool = False
    """True: all keys of an event's data are variables, as published listeners make them."""
    open_parameters: bool = False
    installed: bool = True
    load: Callable[[], Any] | None = None
    """Gives `listen(parameters, source: SourceContext) -> Iterator[Event]`."""
    load_examine: Callable[[], Examine] | None = None
    """Gives what finds faults that a manifest cannot name; None: there is nothing more to find."""
    load_hook: Callable[[], OpenHook] | None = None
    """Gives what reads the requests of a source whose events come over HTTP."""
    load_complete: Callable[[], Complete] | None = None
    """Gives what adds to an event what only a worker may fetch; None: events come complete."""
    brought: bool = False
    """True: on a platform its events are brought, by the gateway or the broker, and nobody listens; `load` is for a
    machine without one."""


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """Every state type and source of this installation, by canonical name."""

    states: Mapping[str, StateType] = field(default_factory=dict)
    sources: Mapping[str, SourceType] = field(default_factory=dict)
    values: Mapping[str, Callable[[], type[ValueRecord]]] = field(default_factory=dict)
    """The classes of results with methods of their own, by their `value_type`; `language.values.revive` reads it."""
    hooks: Mapping[str, Callable[[], OpenHook]] = field(default_factory=dict)
    """What is answered at `/<name>/<tenant>` for all flows of a tenant, by that name: `mcp`."""
    seal: str = ""
    """What differs from the installation's own, where something does: a flow's plugins. Compiled flows go by it."""
    beside: str | None = None
    """`module:name` of what makes the catalogue of a flow out of the folder with its plugins."""
