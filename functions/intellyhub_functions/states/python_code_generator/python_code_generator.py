"""The `python_code_generator` state: a model plans a program, writes it and its tests. Nothing of it is executed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from intellyhub_engine.errors import PermanentError, StepFailed
from intellyhub_engine.language.values.values import text_of, wrap
from intellyhub_engine.machine.step import Outcome, Step
from intellyhub_functions.models.model import open_model
from intellyhub_functions.states.python_code_generator.project import open_project
from intellyhub_functions.states.python_code_generator.work import Work

__all__ = ["perform"]

OUTPUTS = {"code_output": "generated_code", "tests_output": "generated_tests", "plan_output": "execution_plan"}
"""Parameter -> the variable that takes that part of the result, and the part's own name."""


def perform(parameters: Mapping[str, Any], step: Step) -> Outcome:
    """The program as a record; its parts are variables too. A failure leaves what there is of them."""
    prompt = text_of(parameters.get("user_prompt") or "").strip()
    if not prompt:
        raise PermanentError("there is no program to write: give a prompt")
    mode = parameters.get("execution_mode") or "full"
    project = open_project(parameters, step) if mode != "plan_only" else None
    work = Work(open_model(parameters, step), parameters, prompt)
    try:
        work.do(mode)
    except StepFailed as fault:
        if project is not None and work.code and not parameters.get("cleanup_on_error"):
            project.write(work)
        fault.result = work.failure(fault)
        raise
    result = work.result()
    if project is not None:
        result["workspace_path"] = project.write(work)
    changes = {text_of(parameters.get(key) or name): result[name] for key, name in OUTPUTS.items() if result[name]}
    return Outcome(value=wrap(result), changes=changes)
