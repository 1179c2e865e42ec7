"""Everything wrong with a flow, at once: each fault with its place, what was expected and what may have been meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from intellyhub_engine.catalogue.manifest import Catalogue
from intellyhub_engine.language.checking.expression_faults import find_expression_faults
from intellyhub_engine.language.checking.graph_faults import find_graph_faults
from intellyhub_engine.language.checking.interpreter_faults import find_interpreter_faults
from intellyhub_engine.language.checking.listener_faults import find_listener_faults
from intellyhub_engine.language.checking.name_faults import find_name_faults
from intellyhub_engine.language.checking.parameter_faults import find_parameter_faults
from intellyhub_engine.language.checking.wait_faults import find_wait_faults
from intellyhub_engine.language.model import Flow
from intellyhub_engine.language.problems import Problem, ProblemCode
from intellyhub_engine.language.schemas import schema_faults

__all__ = ["check"]


def check(flow: Flow, catalogue: Catalogue) -> tuple[Problem, ...]:
    """Every problem of a parsed flow. What the parser found is not repeated."""
    return (
        *find_parameter_faults(flow, catalogue),
        *find_listener_faults(flow, catalogue),
        *find_wait_faults(flow),
        *find_graph_faults(flow, catalogue),
        *find_name_faults(flow),
        *find_expression_faults(flow, catalogue),
        *find_interpreter_faults(flow, catalogue),
        *_schema_faults(flow, "input", flow.input_schema),
        *_schema_faults(flow, "output", flow.output_schema),
    )


def _schema_faults(flow: Flow, key: str, schema: Mapping[str, Any] | None) -> Iterator[Problem]:
    for fault in schema_faults(schema) if schema is not None else ():
        yield Problem(
            code=ProblemCode.WRONG_SCHEMA,
            message=f"'{key}' is not a JSON Schema: {fault}",
            position=flow.places.top(key) if flow.places else None,
            expected="JSON Schema 2020-12, such as {type: object, properties: {…}}",
        )
