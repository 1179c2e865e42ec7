"""The calls that make a program, one after the other: the plan, the code, what mends it, its tests."""

from __future__ import annotations

import ast
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from intellyhub_engine.errors import PermanentError, StepFailed
from intellyhub_functions.models.model import Model
from intellyhub_functions.models.question import Finish, Message, Role
from intellyhub_functions.models.shaping import Shape

__all__ = ["Work"]

FENCE = re.compile(r"```[ \t]*(?:python|py)?[ \t]*\r?\n(.*?)(?:```|\Z)", re.DOTALL | re.IGNORECASE)
REPAIRS = 2
"""How often code that does not parse is mended."""
PLAN = {
    "type": "object",
    "properties": {
        "steps": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "properties": {
                    "title": {"type": "string"},
                    "description": {"type": "string"},
                    "components": {"type": "array", "items": {"type": "string"}},
                    "dependencies": {"type": "array", "items": {"type": "integer"}},
                },
                "required": ["title", "description", "components", "dependencies"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["steps"],
    "additionalProperties": False,
}
"""`dependencies` are the numbers of earlier steps, counted from 1."""
PLANNER = (
    "You plan Python programs. Give the steps in which the program is to be written, in order, for the complexity "
    "{complexity_level}: a title, what is done, the functions and classes it makes, the numbers of the steps it needs."
)
WRITER = (
    "You write Python programs. Answer with one complete module in a ```python block and nothing else. "
    "Style: {code_style}; complexity: {complexity_level}; {documentation}."
)
TESTER = (
    "You write tests with pytest for Python modules. The module is imported as `{module}`. Answer with one complete "
    "test module in a ```python block and nothing else."
)


class Work:
    """One program in the making."""

    def __init__(self, model: Model, parameters: Mapping[str, Any], prompt: str) -> None:
        self._model = model
        self._parameters = parameters
        self._prompt = prompt
        self._most = int(parameters.get("max_steps") or 20)
        self._began = time.monotonic()
        self._times: list[dict[str, Any]] = []
        self._revisions = 0
        self.plan: list[dict[str, Any]] = []
        self.code = ""
        self.tests = ""

    def do(self, mode: str) -> None:
        """`plan_only`, `generate_only` or `full`. Raises PermanentError where the steps do not suffice."""
        if mode != "generate_only":
            self._make_plan()
        if mode == "plan_only":
            return
        self._make_code()
        if self._parameters.get("include_tests", True):
            self._make_tests()

    def result(self) -> dict[str, Any]:
        """What the state gives."""
        return {
            "success": True,
            "generated_code": self.code,
            "generated_tests": self.tests,
            "execution_plan": self.plan,
            **self._facts(),
        }

    def failure(self, fault: StepFailed) -> dict[str, Any]:
        """What a failed state leaves."""
        return {
            "success": False,
            "error": str(fault),
            "partial_code": self.code,
            "partial_tests": self.tests,
            "execution_plan": self.plan,
            **self._facts(),
        }

    def _facts(self) -> dict[str, Any]:
        done, spent = len(self._times), sum(each["time"] for each in self._times)
        return {
            "steps_executed": done,
            "steps_remaining": max(self._most - done, 0),
            "plan_revisions": self._revisions,
            "execution_time": round(time.monotonic() - self._began, 3),
            "performance_metrics": {
                "total_steps": done,
                "step_times": self._times,
                "average_step_time": round(spent / done, 3) if done else 0.0,
            },
            "usage": self._model.purse.usage(),
            "provider": self._model.endpoint.provider,
            "model": self._model.endpoint.model,
            "timestamp": datetime.now(UTC).isoformat(),
        }

    def _make_plan(self) -> None:
        shape = Shape(PLAN)
        instructions = self._text(PLANNER)
        hint = shape.hint(self._model.endpoint.interface)
        messages = [
            Message(role=Role.SYSTEM, text="\n\n".join(filter(None, [instructions, hint]))),
            Message(role=Role.USER, text=self._prompt),
        ]
        fault: str | None = None
        for attempt in range(1 + REPAIRS):
            written = self._ask("planning" if attempt == 0 else "repair", messages, schema=PLAN)
            value, fault = shape.read(written)
            if fault is None:
                self.plan = value["steps"]
                return
            self._revisions += 1
            messages += [
                Message(role=Role.ASSISTANT, text=written),
                Message(role=Role.USER, text=shape.complaint(fault)),
            ]
        raise PermanentError(f"the model gives no plan: {fault}")

    def _make_code(self) -> None:
        steps = [f"{number}. {step['title']}: {step['description']}" for number, step in enumerate(self.plan, 1)]
        plan = "\n\nThe plan:\n" + "\n".join(steps) if steps else ""
        documented = self._parameters.get("include_documentation", True)
        documentation = "docstrings for everything that is public" if documented else "no docstrings"
        messages = [
            Message(role=Role.SYSTEM, text=self._text(WRITER, documentation=documentation)),
            Message(role=Role.USER, text=self._prompt + plan),
        ]
        self.code = self._write("generation", messages)

    def _make_tests(self) -> None:
        messages = [
            Message(role=Role.SYSTEM, text=self._text(TESTER, module="main")),
            Message(role=Role.USER, text=f"{self._prompt}\n\n```python\n{self.code}\n```"),
        ]
        self.tests = self._write("tests", messages)

    def _write(self, kind: str, messages: list[Message]) -> str:
        """A module, mended where it does not parse."""
        code = code_in(self._ask(kind, messages))
        if not self._parameters.get("validate_syntax", True):
            return code
        fault = fault_in(code)
        for _ in range(REPAIRS):
            if fault is None:
                return code
            self._revisions += 1
            messages += [
                Message(role=Role.ASSISTANT, text=f"```python\n{code}\n```"),
                Message(role=Role.USER, text=f"It is not Python: {fault}. Give the whole module once more."),
            ]
            code = code_in(self._ask("repair", messages))
            fault = fault_in(code)
        if fault is not None:
            self.code = self.code or code
            raise PermanentError(f"the model's code is not Python: {fault}")
        return code

    def _ask(self, kind: str, messages: list[Message], *, schema: Mapping[str, Any] | None = None) -> str:
        """What the model writes; what max_tokens cut off is gone on with."""
        whole, asked = "", messages
        while True:
            if len(self._times) >= self._most:
                raise PermanentError(f"the program is not finished after {self._most} steps (max_steps)")
            began = time.monotonic()
            reply = self._model.ask(*asked, schema=schema)
            self._times.append({"step": len(self._times) + 1, "type": kind, "time": round(time.monotonic() - began, 3)})
            whole += reply.text
            if reply.finish is Finish.FILTERED:
                raise PermanentError("the provider held the answer back")
            if reply.finish is not Finish.LENGTH or not reply.text:
                return whole
            asked = [
                *messages,
                Message(role=Role.ASSISTANT, text=whole),
                Message(role=Role.USER, text="Go on exactly where you stopped, without repeating anything."),
            ]

    def _text(self, text: str, **more: str) -> str:
        given = self._parameters
        return text.format(
            complexity_level=given.get("complexity_level") or "medium",
            code_style=given.get("code_style") or "pep8",
            **more,
        )


def code_in(text: str) -> str:
    """The longest fenced block of an answer; all of it where there is none."""
    blocks = FENCE.findall(text)
    return (max(blocks, key=len) if blocks else text).strip() + "\n"


def fault_in(code: str) -> str | None:
    """Why the text is no Python; it is parsed, never run."""
    try:
        ast.parse(code)
    except SyntaxError as fault:
        return f"{fault.msg} (line {fault.lineno})"
    except (ValueError, RecursionError, MemoryError) as fault:
        return str(fault) or "it is nested too deep"
    return None if code.strip() else "it is empty"
