"""The `command` state: exactly one of its five kinds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.machine.step import Step

__all__ = ["perform"]


def perform(parameters: Mapping[str, Any], step: Step) -> Any:
    """Do what the one parameter that names a kind says; the kind's module is imported when it is first used."""
    given = [kind for kind in KINDS if parameters.get(kind) is not None]
    if len(given) != 1:
        kinds = ", ".join(KINDS)
        raise PermanentError(f"a command is exactly one of {kinds}; {' and '.join(given) or 'none'} is given")
    return KINDS[given[0]](parameters, step)


def run_eval(parameters: Mapping[str, Any], step: Step) -> Any:
    from intellyhub_engine.blocks.evaluation import evaluate

    return evaluate(parameters["eval"], step)


def run_shell(parameters: Mapping[str, Any], step: Step) -> Any:
    from intellyhub_functions.states.command.shell import run_script

    return run_script(parameters, step)


def run_http(parameters: Mapping[str, Any], step: Step) -> Any:
    from intellyhub_functions.states.http.http import perform as request

    given = parameters["http"]
    return request(given if isinstance(given, Mapping) else {"url": str(given)}, step)


def run_mqtt(parameters: Mapping[str, Any], step: Step) -> Any:
    from intellyhub_functions.states.command.mqtt import publish

    return publish(parameters["mqtt"], step)


def run_email(parameters: Mapping[str, Any], step: Step) -> Any:
    from intellyhub_functions.mail.sending import send_mail

    return send_mail(parameters["email"], step)


KINDS: Mapping[str, Callable[[Mapping[str, Any], Step], Any]] = {
    "eval": run_eval,
    "shell": run_shell,
    "http": run_http,
    "mqtt": run_mqtt,
    "email": run_email,
}
