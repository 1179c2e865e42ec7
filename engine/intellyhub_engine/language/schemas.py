"""JSON Schemas that authors write (draft 2020-12): what is wrong with one, and with a value that is held against it.

A schema leads nowhere but into itself, and the patterns of its texts are searched under a clock.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any

from intellyhub_engine.errors import EvaluationFailed
from intellyhub_engine.language.expressions.patterns import matches

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

__all__ = ["find_faults", "schema_faults"]

MOST_FAULTS = 5
SHOWN_CHARACTERS = 300


def schema_faults(schema: Any) -> Iterator[str]:
    """What keeps it from being a JSON Schema, each with its place."""
    from jsonschema import Draft202012Validator

    for fault in Draft202012Validator(Draft202012Validator.META_SCHEMA).iter_errors(schema):
        path = ".".join(str(part) for part in fault.absolute_path)
        yield f"{path + ': ' if path else ''}{fault.message[:SHOWN_CHARACTERS]}"


def find_faults(schema: Mapping[str, Any], value: Any) -> list[str]:
    """What is wrong about the value, each with its place (`$.items[0].name`), a few at most. Raises EvaluationFailed
    for a schema that cannot be used."""
    from jsonschema.exceptions import SchemaError
    from referencing.exceptions import Unresolvable

    try:
        errors = make_validator(json.dumps(schema, sort_keys=True)).iter_errors(value)
        found = sorted(errors, key=lambda error: list(map(str, error.absolute_path)))
    except (SchemaError, Unresolvable, RecursionError) as fault:
        raise EvaluationFailed(f"the schema cannot be used: {str(fault)[:SHOWN_CHARACTERS]}") from fault
    return [f"{error.json_path}: {error.message[:SHOWN_CHARACTERS]}" for error in islice(found, MOST_FAULTS)]


@lru_cache(maxsize=64)
def make_validator(written: str) -> Validator:
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend
    from referencing import Registry

    schema = json.loads(written)
    Draft202012Validator.check_schema(schema)
    guarded = extend(Draft202012Validator, {"pattern": find_pattern_fault})  # type: ignore[no-untyped-call]
    made: Validator = guarded(schema, registry=Registry())
    return made


def find_pattern_fault(validator: Validator, pattern: str, value: Any, schema: Any) -> Iterator[Exception]:
    """The keyword `pattern`, as the library has it, but for the clock."""
    from jsonschema.exceptions import ValidationError

    if validator.is_type(value, "string") and not matches(value, pattern):
        yield ValidationError(f"{value!r} does not match {pattern!r}")
