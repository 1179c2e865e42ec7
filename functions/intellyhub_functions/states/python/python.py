"""The `python` state, seen from the worker: text, arguments and packages go to a process of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from intellyhub_engine.blocks import channel
from intellyhub_engine.blocks.blocks import blocks_of
from intellyhub_engine.blocks.python import revived
from intellyhub_engine.errors import InputInvalid, PermanentError, RetryableError, ValueRefused
from intellyhub_engine.language.values.values import encode, text_of, wrap
from intellyhub_engine.machine.step import Step
from intellyhub_functions.files.paths import place, shown
from intellyhub_functions.files.storage import read_up_to

__all__ = ["find_layer", "patience", "perform", "read_answer"]

ANSWER = "intellyhub_functions.states.python.calling:answer"
MAX_CODE_BYTES = 1024 * 1024
MAX_MESSAGE_CHARACTERS = 4000
SHARE_OF_REQUEST = 0.8
"""Of the time after which a worker counts as hung: what a function gets that has no time limit of its own."""
UNREADABLE = (ArithmeticError, AttributeError, LookupError, OSError, RecursionError, TypeError, ValueError)
"""What bytes that are no answer raise."""


def perform(parameters: Mapping[str, Any], step: Step) -> Any:
    """Call the function; gives what it returns. What it prints goes to the run's log. Raises StepFailed's kinds."""
    code, name = find_code(parameters, step)
    task = {
        "code": code,
        "name": name,
        "function": text_of(parameters.get("function")).strip(),
        "arguments": find_arguments(parameters.get("arguments")),
        "layer": find_layer(parameters.get("requirements"), step),
    }
    try:
        given = encode(wrap(task))
    except ValueRefused as fault:
        raise PermanentError(f"the arguments cannot be handed to {name}: {fault}") from fault
    answer = blocks_of(step).run_function(ANSWER, given, step, what=name, timeout_seconds=patience(parameters, step))
    return read_answer(answer, name)


def find_code(parameters: Mapping[str, Any], step: Step) -> tuple[str, str]:
    """The function's text and what messages call it: the state's own, or a file's of the workspace."""
    code, file = parameters.get("code"), parameters.get("file")
    if bool(code) == bool(file):
        raise PermanentError("python needs either code or file")
    if code:
        return text_of(code), f"the code of {step.state!r}"
    path = place(text_of(file), step.workspace)
    name = shown(path, step.workspace)
    try:
        content = read_up_to(path, MAX_CODE_BYTES + 1)
    except OSError as fault:
        raise PermanentError(f"{name}: {(fault.strerror or str(fault)).lower()}") from fault
    if len(content) > MAX_CODE_BYTES:
        raise PermanentError(f"{name} is larger than {MAX_CODE_BYTES} bytes")
    try:
        return content.decode("utf-8"), name
    except UnicodeDecodeError as fault:
        raise PermanentError(f"{name} is not text in utf-8") from fault


def find_arguments(given: Any) -> Any:
    """A mapping by name, or a list in order; none."""
    if given is None or isinstance(given, dict | list):
        return given or {}
    raise PermanentError("arguments must be a mapping of names to values, or a list of values")


def find_layer(requirements: Any, step: Step) -> str | None:
    """The folder that holds the requirements' packages. A platform installs them when the flow is published; for a flow
    that runs by itself it is done now, once, in the user's cache. Raises PermanentError where they cannot be had."""
    wanted = [text_of(line).strip() for line in (requirements or ()) if text_of(line).strip()]
    if not wanted:
        return None
    from intellyhub_functions.layers.requirements import key_of, normalise

    try:
        if not normalise(wanted):
            return None
        installed = step.services.get("layers")
        if not isinstance(installed, Mapping):
            from intellyhub_functions.states.python.cache import provide

            return provide(wanted, step)
        folder = installed.get(key_of(wanted))
    except InputInvalid as fault:
        raise PermanentError(f"the requirements cannot be installed: {fault}") from fault
    if folder is None:
        raise PermanentError(f"the requirements {', '.join(wanted)} are not installed; publish the flow again")
    return text_of(folder)


def patience(parameters: Mapping[str, Any], step: Step) -> float | None:
    """How long the function may take, where the step has no limit of its own."""
    given = parameters.get("timeout")
    if given is not None or step.timeout_seconds is not None:
        return None if given is None else float(given)
    allowed = step.services.get("request_seconds")
    return float(allowed) * SHARE_OF_REQUEST if allowed else None


def read_answer(answer: bytes, name: str) -> Any:
    """What the function returned, or the failure that it told: its process can write whatever it likes."""
    try:
        told = revived(answer[1:])
        if answer[:1] == channel.RETURNED:
            return told["value"]
        message, again, after = str(told["message"])[:MAX_MESSAGE_CHARACTERS], told["retry"], told["after_seconds"]
        pause = None if after is None else float(after)
    except UNREADABLE as fault:
        raise PermanentError(f"{name} gave an answer that cannot be read") from fault
    if again is True:
        raise RetryableError(f"{name}: {message}", retry_after_seconds=pause)
    raise PermanentError(f"{name}: {message}")
