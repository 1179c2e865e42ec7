"""Flow + catalogue -> program: every parameter of every state compiled by its syntax.

A state is compiled when it is first visited, or when the program is packed for the cache: `check` has made sure before
that all of them compile, and a run visits few.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from intellyhub_engine.catalogue.manifest import Catalogue, Syntax
from intellyhub_engine.errors import ExpressionInvalid, FlowInvalid
from intellyhub_engine.language.expressions.codes import Code
from intellyhub_engine.language.model import END, Flow, State
from intellyhub_engine.language.problems import Problem, ProblemCode
from intellyhub_engine.language.program import About, Head, LogCode, Prelude, Program, StateCode, dump, load
from intellyhub_engine.language.texts.conditions import compile_condition
from intellyhub_engine.language.texts.templates import compile_template
from intellyhub_engine.language.values.variables import compile_variables

__all__ = ["Program", "compile_flow", "dump", "load"]

LOG = " log"
"""Where a state's log stands among its parameters while they are compiled; no parameter is called so."""

INVALID = {
    Syntax.TEMPLATE: ProblemCode.INVALID_TEMPLATE,
    Syntax.CONDITION: ProblemCode.INVALID_CONDITION,
    Syntax.CODE: ProblemCode.INVALID_CODE,
    Syntax.SHELL: ProblemCode.INVALID_SHELL,
}


def compile_flow(flow: Flow, catalogue: Catalogue) -> Program:
    """The program of a checked flow. Its states are compiled on demand; `dump` compiles all of them."""
    states = {name: partial(compile_state, state, flow, catalogue) for name, state in flow.states.items()}
    if END not in states:
        states[END] = partial(compile_state, State(name=END, type="end"), flow, catalogue)
    return Program(make_head(flow), states, partial(compile_prelude, flow), make_about(flow))


def make_head(flow: Flow) -> Head:
    return Head(
        name=flow.name,
        digest=flow.digest,
        start=flow.start,
        max_steps=flow.max_steps,
        durability=flow.durability,
        log_level=flow.log_level,
        variables=flow.variables,
        listener=flow.listener,
    )


def compile_prelude(flow: Flow) -> Prelude:
    """What runs before the first state. Raises FlowInvalid."""
    listener = dict(flow.listener.parameters) if flow.listener else {}
    try:
        variables = compile_variables(flow.variables, dollar_names=flow.dollar_names)
        return Prelude(variables, compile_template(listener, dollar_names=flow.dollar_names))
    except ExpressionInvalid as fault:
        message = f"variables or listener: {fault.message}"
        problem = Problem(code=ProblemCode.INVALID_TEMPLATE, message=message, suggestion=fault.suggestion)
        raise FlowInvalid([problem]) from fault


def make_about(flow: Flow) -> About:
    return About(
        description=flow.description,
        dependencies=flow.dependencies,
        tests=flow.tests,
        input_schema=flow.input_schema,
        output_schema=flow.output_schema,
        budget=flow.budget,
    )


def compile_state(state: State, flow: Flow, catalogue: Catalogue) -> StateCode:
    """One state. Raises FlowInvalid with every text that does not compile."""
    texts = {name: (value, syntax_of(state, name, catalogue)) for name, value in values_of(state).items()}
    if state.log is not None:
        texts[LOG] = state.log.message, Syntax.TEMPLATE
    codes, faults = {}, []
    for name, (value, syntax) in texts.items():
        try:
            codes[name] = compile_value(value, syntax, dollar_names=flow.dollar_names)
        except ExpressionInvalid as fault:
            faults.append(make_problem(state, name, syntax, fault))
    if faults:
        raise FlowInvalid(faults)
    log = codes.pop(LOG, None)
    return StateCode(
        name=state.name,
        type=state.type,
        codes=codes,
        targets=state.targets,
        output=state.output,
        log=LogCode(log, state.log.level, "error_message" in state.log.message) if log and state.log else None,
        retry=state.retry,
        timeout_seconds=state.timeout_seconds,
        mock=state.mock,
        position=state.position,
    )


def values_of(state: State) -> Mapping[str, Any]:
    """What is compiled by name: the parameters; of a `set` state its values, so that each sees those before it."""
    values = state.parameters.get("values") if state.type == "set" else None
    return values if isinstance(values, Mapping) else state.parameters


def syntax_of(state: State, name: str, catalogue: Catalogue) -> Syntax:
    kind = catalogue.states.get(state.type)
    parameter = kind.parameters.get(name) if kind and state.type != "set" else None
    return parameter.syntax if parameter else Syntax.TEMPLATE


def compile_value(value: Any, syntax: Syntax, *, dollar_names: bool) -> Code:
    if syntax is Syntax.LITERAL:
        return Code("constant", value)
    if syntax is Syntax.CONDITION:
        return compile_condition(value if isinstance(value, str) else repr(value), dollar_names=dollar_names)
    if syntax is Syntax.CODE and isinstance(value, str):
        from intellyhub_engine.language.texts.python_blocks import compile_block

        return compile_block(value, dollar_names=dollar_names)
    if syntax is Syntax.SHELL and isinstance(value, str):
        from intellyhub_engine.language.texts.shell import compile_shell

        return compile_shell(value, dollar_names=dollar_names)
    return compile_template(value, dollar_names=dollar_names)


def make_problem(state: State, parameter: str, syntax: Syntax, fault: ExpressionInvalid) -> Problem:
    return Problem(
        code=INVALID[syntax],
        message=f"{state.name}.{parameter}: {fault.message}",
        position=state.position,
        state=state.name,
        suggestion=fault.suggestion,
    )
