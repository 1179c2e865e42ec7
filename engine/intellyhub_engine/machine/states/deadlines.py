"""A function's call with a deadline. Functions end by themselves at `step.timeout_seconds`; one that does not is
left to itself."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from intellyhub_engine.errors import StepCancelled, StepTimedOut

if TYPE_CHECKING:
    from intellyhub_engine.machine.step import Perform, Step

__all__ = ["perform_within"]

GRACE_SECONDS = 0.5
"""What a function gets beyond its deadline to end by itself, with its own words about why."""
LOOK_SECONDS = 0.1
"""How long a cancellation of the run may stay unnoticed while the function runs."""


class Call(threading.Thread):
    """One call in its own thread. A thread cannot be killed: after the deadline its result counts no more."""

    def __init__(self, perform: Perform, parameters: Mapping[str, Any], step: Step) -> None:
        super().__init__(name=f"step-{step.state}", daemon=True)
        self.done = threading.Event()
        self.result: Any = None
        self.fault: BaseException | None = None
        self._call = perform, parameters, step

    def run(self) -> None:
        perform, parameters, step = self._call
        try:
            self.result = perform(parameters, step)
        except BaseException as fault:  # noqa: BLE001 - handed to the thread that waits
            self.fault = fault
        finally:
            self.done.set()


def perform_within(perform: Perform, parameters: Mapping[str, Any], step: Step, timeout_seconds: float) -> Any:
    """The function's result. Raises what it raised, StepTimedOut, or StepCancelled."""
    ending = threading.Event()
    call = Call(perform, parameters, replace(step, cancelled=ending))
    call.start()
    left = timeout_seconds + GRACE_SECONDS
    while not call.done.wait(min(left, LOOK_SECONDS)) and left > 0:
        left -= LOOK_SECONDS
        if step.cancelled.is_set() and not ending.is_set():
            ending.set()
            left = min(left, GRACE_SECONDS)
    if call.done.is_set():
        if call.fault is not None:
            raise call.fault
        return call.result
    ending.set()
    if step.cancelled.is_set():
        raise StepCancelled("the run was cancelled")
    raise StepTimedOut(f"the step took longer than {timeout_seconds:g} s")
