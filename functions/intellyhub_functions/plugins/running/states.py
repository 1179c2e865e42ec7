"""Performs one state of a plugin, in a process of its own: bytes in, bytes out."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from intellyhub_engine.blocks.channel import FAILED, RETURNED
from intellyhub_engine.blocks.python import revived
from intellyhub_engine.language.values.values import Record, encode, text_of
from intellyhub_functions.plugins.running.safe_logger import speak, write

__all__ = ["answer"]

MAX_CHARACTERS = 2000
FORMATTED_AGAIN = {"telegram-bot": ("message",)}
"""Keys that a published plugin formats with `str.format`: what stands in braces in there is text by now."""
FAILURE_NAMES = ("error", "end")
"""Where published plugins go after a failure when the flow names nothing else (FLOW_LANGUAGE section 1.5)."""


def answer(given: bytes, environment: Mapping[str, str]) -> bytes:
    """Perform it. The answer says what came of it; nothing is raised."""
    try:
        task = revived(given)
        os.environ.clear()
        os.environ.update(environment)
        os.environ.update(texts_of(task["around"]))
        speak()
        told = perform_native(task) if task["native"] else perform_published(task)
        return RETURNED + encode(told)
    except BaseException as fault:  # noqa: BLE001 - the edge of the process: whatever the plugin raises is told
        return FAILED + encode(describe(fault, given))


def texts_of(names: Mapping[str, Any]) -> dict[str, str]:
    """What can stand in an environment."""
    return {
        name: value
        for name, value in names.items()
        if isinstance(value, str) and name and "=" not in name and "\0" not in name + value
    }


def perform_native(task: Record) -> Record:
    """A function written with `intellyhub`."""
    from intellyhub.calling import call
    from intellyhub.context import Context
    from intellyhub.outcomes import Result
    from intellyhub_functions.plugins.running.loading import find_function, open_plugin
    from intellyhub_functions.plugins.running.settling import settled

    open_plugin(task["folder"], task["layer"], native=True)
    function = find_function(task["folder"], task["module"], task["name"])
    context = Context(
        run_id=task["run_id"],
        flow=task["flow"],
        state=task["state"],
        attempt=task["attempt"],
        idempotency_key=task["idempotency_key"],
        workspace=Path.cwd(),
        variables=task["variables"],
        secrets=texts_of(task["around"]),
        log=write,
    )
    result = call(function, task["parameters"], context)
    if not isinstance(result, Result):
        result = Result(value=result)
    changes = Record({name: settled(value) for name, value in result.variables.items()})
    return Record(value=settled(result.value), changes=changes, removed=[], goes_to=result.goes_to, fault=None)


def perform_published(task: Record) -> Record:
    """A class of the published interface."""
    from intellyhub.calling import finish
    from intellyhub_functions.plugins.running.formatting import keep
    from intellyhub_functions.plugins.running.loading import find_class, open_plugin
    from intellyhub_functions.plugins.running.variables import Variables

    config = make_config(task)
    keep(config)
    open_plugin(task["folder"], task["layer"], native=False)
    kind: Any = find_class(task["folder"], task["module"], task["name"], task["type"], listener=False)
    variables = Variables(task["variables"], task["around"])
    state = kind(task["state"], config, {**task["around"], **task["variables"]})
    validate = getattr(state, "validate_config", None)
    if callable(validate) and validate() is False:
        raise ValueError("validate_config() says that the state's configuration is not valid")
    target = read_target(finish(state.execute(variables)))
    changed, removed, refused = variables.changes()
    for name, why in refused.items():
        write("warning", f"{name} is not kept as a variable: {why}")
    output = task["output"]
    value = changed.pop(output, None if output in refused else variables.get(output)) if output else None
    fault = find_fault(target, value, config)
    if fault:
        changed |= {"error_message": fault, "error_state": task["state"]}
    return Record(value=value, changes=Record(changed), removed=removed, goes_to=target or "end", fault=fault)


def make_config(task: Record) -> dict[str, Any]:
    """The state's body as the flow has it, but for placeholders: those are filled in."""
    targets = task["targets"]
    keys = {"next": "transition", "success": "success_transition", "error": "error_transition"}
    keys["warning"] = "warning_transition"
    config: dict[str, Any] = {"state_type": task["type"], **task["parameters"]}
    for key in FORMATTED_AGAIN.get(task["plugin"], ()):
        if isinstance(config.get(key), str):
            config[key] = config[key].replace("{", "{{").replace("}", "}}")
    config.update({key: targets[label] for label, key in keys.items() if label in targets})
    return config | ({"output": task["output"]} if task["output"] else {})


def read_target(result: Any) -> str | None:
    """The next state's name."""
    if result is None or isinstance(result, str):
        return result or None
    write("warning", f"the plugin gave {type(result).__name__} instead of a state's name; the run ends there")
    return None


def find_fault(target: str | None, value: Any, config: Mapping[str, Any]) -> str | None:
    """Whether the plugin says that it failed: it went where failures go, and not where successes do."""
    success = config.get("success_transition", config.get("transition"))
    if target is None or target == success:
        return None
    told = value if isinstance(value, Mapping) else {}
    says_so = told.get("success") is False or bool(told.get("error"))
    if target == config.get("error_transition") or (target in FAILURE_NAMES and says_so):
        return text_of(told.get("error") or told.get("message") or f"it went to {target!r}")[:MAX_CHARACTERS]
    return None


def describe(fault: BaseException, given: bytes) -> Record:
    """What was raised, and where in the plugin's code."""
    from intellyhub.outcomes import RetryLater

    sys.stdout.flush()
    if isinstance(fault, RetryLater):
        return Record(retry=True, after_seconds=fault.after_seconds, message=str(fault)[:MAX_CHARACTERS])
    passing = isinstance(fault, ConnectionError | TimeoutError)
    return Record(retry=passing, after_seconds=None, message=message_of(fault, str(revived(given).get("folder", ""))))


def message_of(fault: BaseException, folder: str) -> str:
    """What was raised, in words."""
    from intellyhub.outcomes import Failed

    said = (str(fault) or repr(fault))[:MAX_CHARACTERS]
    if isinstance(fault, Failed):
        return said
    if isinstance(fault, SystemExit):
        return f"it ended itself, with {fault.code!r}"
    if isinstance(fault, ModuleNotFoundError):
        return f"it needs the module {fault.name!r}, which is not among what is installed for it" + place_of(
            fault, folder
        )
    return f"{type(fault).__name__}: {said}" + place_of(fault, folder)


def place_of(fault: BaseException, folder: str) -> str:
    """The innermost line of the plugin's own files."""
    home = folder if Path(folder).is_dir() else str(Path(folder).parent)
    lines = [frame for frame in traceback.extract_tb(fault.__traceback__) if frame.filename.startswith(home)]
    return f" ({Path(lines[-1].filename).name}, line {lines[-1].lineno})" if folder and lines else ""
