"""What a function is told about the run or the source it works for: a parameter annotated `Context`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Context", "SourceContext"]


def print_line(level: str, message: str) -> None:
    """Where log lines go outside of a flow."""
    print(f"{level}: {message}")  # noqa: T201 - a test or a person at a terminal reads it


@dataclass(frozen=True, kw_only=True)
class Context:
    """The visit of a state that the function performs."""

    run_id: str = "run"
    flow: str = "flow"
    state: str = "state"
    attempt: int = 1
    idempotency_key: str = "run/1"
    """The same for every attempt of this step, also after a crash: what an outside service can deduplicate by."""
    workspace: Path = Path()
    """The folder for files; the process is in it."""
    variables: Mapping[str, Any] = field(default_factory=dict)
    """The flow's variables now. To set some, return a `Result`."""
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Those of the tenant's secrets and variables that the manifest names under `secrets`."""
    log: Callable[[str, str], None] = print_line
    """`log(level, message)`; levels are debug, info, warning, error. What is printed is logged too."""


@dataclass(kw_only=True)
class SourceContext:
    """The surroundings of a source."""

    flow: str = "flow"
    workspace: Path = Path()
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Those of the tenant's secrets and variables that the manifest names under `secrets`."""
    log: Callable[[str, str], None] = print_line
    """`log(level, message)`."""
    stopping: threading.Event = field(default_factory=threading.Event, repr=False)
    """Set when the source has to end."""
    load_place: Callable[[], Any] = field(default=lambda: None, repr=False)
    keep_place: Callable[[Any], None] = field(default=lambda value: None, repr=False)
    tell_health: Callable[[bool, str], None] = field(default=lambda connected, message: None, repr=False)

    def sleep(self, seconds: float) -> bool:
        """Wait; True when the source has to end: `while not context.sleep(60):`."""
        return self.stopping.wait(seconds)

    @property
    def place(self) -> Any:
        """Where the source was when it last said so; None at the first contact. Setting it is durable. JSON values;
        set it after a `yield`, which says that the event is safe."""
        return self.load_place()

    @place.setter
    def place(self, value: Any) -> None:
        self.keep_place(value)

    def connected(self) -> None:
        """Say that what is watched could be reached."""
        self.tell_health(True, "")

    def disconnected(self, why: str) -> None:
        """Say that it could not. Go on trying: a source that raises is begun again, ever later."""
        self.tell_health(False, why)
