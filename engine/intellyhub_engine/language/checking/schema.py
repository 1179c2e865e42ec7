"""The JSON Schema of a flow text, made from the model and the catalogue: for validation, completion and the docs.

It accepts every spelling the parser does. https://json-schema.org/draft/2020-12
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from intellyhub_engine.catalogue.control import CONTROL, LISTENER_STATE
from intellyhub_engine.catalogue.manifest import Catalogue, SourceType, StateType
from intellyhub_engine.language.checking.parameter_schema import make_parameters_schema, spelling_pattern
from intellyhub_engine.language.model import Durability
from intellyhub_engine.language.parsing.bodies import DONE_KEYS, LOG_LEVELS, RETRY_KEYS, TARGET_KEYS
from intellyhub_engine.language.parsing.branches import DEFAULT_KEYS, FALSE_KEYS, TRUE_KEYS
from intellyhub_engine.language.parsing.budgets import AMOUNTS, SPANS
from intellyhub_engine.language.parsing.commands import COMMAND_KINDS
from intellyhub_engine.language.parsing.flowtests import STATUSES
from intellyhub_engine.language.parsing.loops import BODY_KEYS
from intellyhub_engine.language.parsing.parse import TOP_LEVEL_KEYS

__all__ = ["make_schema"]

STATE = {"$ref": "#/$defs/state"}
STATES = {"$ref": "#/$defs/states"}
TARGET = {"$ref": "#/$defs/target"}
WAY = {"$ref": "#/$defs/way"}
TEXT = {"type": ["string", "number", "boolean", "null"]}


def make_schema(catalogue: Catalogue) -> dict[str, Any]:
    """The schema of every flow that this catalogue's functions can run."""
    kinds = {**{kind.type: kind for kind in catalogue.states.values()}, **CONTROL}
    sources = {kind.type: kind for kind in catalogue.sources.values()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "IntellyHub flow",
        "type": "object",
        "required": ["states"],
        "properties": {key: {"description": text, **_top_level(key)} for key, text in TOP_LEVEL_KEYS.items()},
        "$defs": {
            "target": {
                "type": ["string", "number", "boolean", "null"],
                "description": "The name of a state, or `end`.",
            },
            "way": {
                "description": "A state's name, a body that stands in its place, or a list of bodies.",
                "anyOf": [TARGET, STATE, {"type": "array", "items": STATE}],
            },
            "states": {
                "anyOf": [
                    {
                        "type": "object",
                        "minProperties": 1,
                        "additionalProperties": {"anyOf": [STATE, {"type": "null"}]},
                    },
                    {"type": "array", "minItems": 1, "items": STATE},
                ]
            },
            "state": _state(kinds),
            "log": _log(),
            "retry": _retry(),
            "duration": {
                "type": ["number", "string", "null"],
                "description": "Seconds, or a text such as 90s, 5m, PT1H.",
            },
            "test": _test(),
            **{f"state-{name}": _state_type(kind) for name, kind in sorted(kinds.items())},
            **{f"listener-{name}": _source_type(kind) for name, kind in sorted(sources.items())},
            "listener": _listener(sources),
        },
    }


def _top_level(key: str) -> dict[str, Any]:
    tables: Mapping[str, dict[str, Any]] = {
        "variables": {"type": ["object", "null"]},
        "listener": {"$ref": "#/$defs/listener"},
        "states": STATES,
        "max_steps": {"type": ["integer", "string", "null"], "minimum": 1, "default": 100},
        "durability": {"enum": [*Durability, None], "default": "step"},
        "dependencies": {"type": ["array", "string", "null"], "items": TEXT},
        "logging": {"type": ["object", "string", "null"]},
        "tests": {"type": ["array", "object", "null"], "items": _TEST, "additionalProperties": _TEST},
        "input": {"type": ["object", "null"]},
        "output": {"type": ["object", "null"]},
        "budget": _budget(),
    }
    return tables.get(key, TEXT)


def _budget() -> dict[str, Any]:
    amounts = {name: {"type": ["number", "string"], "minimum": 0, "description": AMOUNTS[name]} for name in AMOUNTS}
    spans = {name: {"type": ["object", "null"], "description": SPANS[name], "properties": amounts} for name in SPANS}
    return {"type": ["object", "null"], "properties": {**spans, **amounts}}


_TEST = {"$ref": "#/$defs/test"}


def _state(kinds: Mapping[str, StateType]) -> dict[str, Any]:
    """What every state may carry, and by its type what else."""
    names = sorted(kinds)
    targets = {key: TARGET for keys in TARGET_KEYS.values() for key in keys}
    type_schema = {"type": "string", "anyOf": [{"enum": names}, {"pattern": "^[^{}]+$"}]}
    return {
        "type": "object",
        "anyOf": [{"required": ["state_type"]}, {"required": ["type"]}],
        "properties": {
            "name": TEXT,
            "state_type": type_schema,
            "description": TEXT,
            **targets,
            "output": {"type": ["string", "object", "null"], "additionalProperties": TEXT},
            "log": {"$ref": "#/$defs/log"},
            "retry": {"$ref": "#/$defs/retry"},
            "timeout_seconds": {"$ref": "#/$defs/duration"},
        },
        "allOf": [
            {
                "if": _has_type((name, *kinds[name].aliases)),
                "then": {"$ref": f"#/$defs/state-{name}"},
            }
            for name in names
        ],
    }


def _has_type(spellings: Iterable[str], first: str = "state_type", second: str = "type") -> dict[str, Any]:
    pattern = {"type": "string", "pattern": spelling_pattern(spellings)}
    return {
        "anyOf": [
            {"required": [first], "properties": {first: pattern}},
            {"required": [second], "properties": {second: pattern}, "not": {"required": [first]}},
        ]
    }


def _state_type(kind: StateType) -> dict[str, Any]:
    schema: dict[str, Any] = {"description": kind.description}
    if kind.type not in (LISTENER_STATE, "parallel", "loop", "command", "switch"):
        schema.update(make_parameters_schema(kind.parameters, strict=kind.installed))
    else:
        schema.update(make_parameters_schema(kind.parameters, strict=False))
    schema["properties"] = {**schema.get("properties", {}), **DIALECT_PROPERTIES.get(kind.type, {})}
    needed = DIALECT_NEEDS.get(kind.type)
    if needed:
        schema["anyOf"] = [{"required": [key]} for key in needed]
    if kind.example is not None:
        schema["examples"] = [dict(kind.example)]
    return schema


DIALECT_PROPERTIES: Mapping[str, dict[str, Any]] = {
    "if": dict.fromkeys((*TRUE_KEYS, *FALSE_KEYS), WAY),
    "switch": {
        "cases": {
            "type": ["object", "array"],
            "additionalProperties": {"anyOf": [WAY, {"type": "object", "required": ["transition"]}]},
            "items": {"type": "object"},
        },
        **dict.fromkeys(DEFAULT_KEYS, WAY),
    },
    "loop": {
        "mode": {"enum": ["for", "while"]},
        "loop_type": {"enum": ["for", "while"]},
        **{key: {"anyOf": [WAY, STATES, {"type": "object", "required": ["states"]}]} for key in BODY_KEYS},
        **dict.fromkeys(DONE_KEYS, TARGET),
    },
    "parallel": {"branches": {"type": ["object", "array"], "additionalProperties": WAY, "items": WAY}},
    "command": {"action": {"type": ["object", "string"]}},
}
"""What a type may carry beside its manifest's parameters."""

DIALECT_NEEDS: Mapping[str, tuple[str, ...]] = {
    "command": ("action", *COMMAND_KINDS),
    "switch": ("cases",),
    "loop": (*BODY_KEYS, "transition"),
    "parallel": ("branches", "items"),
}
"""Of which a type must carry one."""


def _source_type(kind: SourceType) -> dict[str, Any]:
    return {"description": kind.description, **make_parameters_schema(kind.parameters, strict=False)}


def _listener(sources: Mapping[str, SourceType]) -> dict[str, Any]:
    """Any spelling of a listener's type is accepted; what is required the check tells, for states may donate it."""
    cases = [
        {
            "if": _has_type(_source_spellings(kind), "listener_type", "type"),
            "then": {"$ref": f"#/$defs/listener-{name}"},
        }
        for name, kind in sorted(sources.items())
    ]
    type_schema = {"type": "string", "anyOf": [{"enum": sorted(sources)}, {"pattern": "."}]}
    return {
        "type": ["object", "string", "null"],
        "if": {"type": "object"},
        "then": {
            "anyOf": [{"required": ["type"]}, {"required": ["listener_type"]}],
            "properties": {"type": type_schema, "listener_type": type_schema, "output": TEXT},
            **({"allOf": cases} if cases else {}),
        },
    }


def _source_spellings(kind: SourceType) -> list[str]:
    names = (kind.type, *kind.aliases)
    return [spelling for name in names for spelling in (name, f"{name}listener", f"{name}-listener")]


def _log() -> dict[str, Any]:
    return {
        "type": ["string", "object", "null"],
        "required": ["message"],
        "properties": {"message": TEXT, "level": {"anyOf": [{"enum": list(LOG_LEVELS)}, {"type": "string"}]}},
    }


def _retry() -> dict[str, Any]:
    durations = {
        key: {"$ref": "#/$defs/duration"} for name, keys in RETRY_KEYS.items() if "backoff" in name for key in keys
    }
    return {
        "type": ["object", "integer", "string", "boolean", "null"],
        "properties": {
            **{key: {"type": ["integer", "string"], "minimum": 1} for key in RETRY_KEYS["attempts"]},
            **durations,
            "on": {"type": ["array", "string"], "items": TEXT},
        },
    }


def _test() -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "name": TEXT,
            "event": {},
            "variables": {"type": ["object", "null"]},
            "mocks": {"type": ["object", "null"]},
            "expect": {
                "type": ["object", "null"],
                "properties": {
                    "path": {"type": ["array", "string"], "items": TEXT},
                    "variables": {"type": "object"},
                    "status": {"enum": list(STATUSES)},
                },
            },
        },
    }
