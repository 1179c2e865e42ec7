"""What a worker behind functions-framework does before its server has threads. Few imports: the server waits for it."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import NamedTuple

from intellyhub_engine.errors import EngineError
from intellyhub_engine.serving.enclosing import enter
from intellyhub_engine.serving.outside import Outside
from intellyhub_engine.serving.settings import PRIVATE, Settings, read_settings

__all__ = ["Prepared", "prepare"]


class Prepared(NamedTuple):
    """What is done before the server has threads."""

    settings: Settings
    outside: Outside | None


def prepare(environment: MutableMapping[str, str]) -> Prepared | EngineError:
    """Read the settings, and close this thread in, and so those that the server starts; or why that cannot be."""
    try:
        settings = read_settings(environment)
        for name in PRIVATE:
            environment.pop(name, None)
        return Prepared(settings, enter(settings))
    except EngineError as fault:
        return fault
