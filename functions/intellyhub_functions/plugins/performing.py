"""A plugin's state, seen from the worker: what it needs goes to a process of its own, what comes back is only data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from intellyhub_engine.blocks import channel
from intellyhub_engine.blocks.blocks import blocks_of
from intellyhub_engine.blocks.python import revived
from intellyhub_engine.errors import PermanentError, RetryableError, ValueRefused
from intellyhub_engine.frozen import dataclass
from intellyhub_engine.language.values.scope import Scope
from intellyhub_engine.language.values.values import Record, encode, wrap
from intellyhub_engine.machine.step import Outcome, Perform, Step
from intellyhub_functions.plugins.plugin import InstalledPlugin, Offer

__all__ = ["PluginState", "names_around"]

FUNCTION = "intellyhub_functions.plugins.running.states:answer"
SHARE_OF_REQUEST = 0.8
"""Of the time after which a worker counts as hung: what a plugin gets that has no time limit of its own, so that a
plugin that hangs fails its state and not its worker."""
UNREADABLE = (ArithmeticError, AttributeError, LookupError, OSError, RecursionError, TypeError, ValueError)
"""What bytes that are no answer raise."""
MAX_MESSAGE_CHARACTERS = 4000


@dataclass(frozen=True, kw_only=True)
class PluginState:
    """What loads a state of a plugin. Nothing of the plugin is imported here."""

    plugin: InstalledPlugin
    offer: Offer
    secrets: tuple[str, ...] = ()
    """Names that a native plugin may see."""

    def __call__(self) -> Perform:
        """`StateType.load`."""
        return self.perform

    def perform(self, parameters: Mapping[str, Any], step: Step) -> Outcome:
        """Perform the state. Raises StepFailed's kinds."""
        what = f"the plugin {self.plugin.name!r}"
        try:
            given = encode(wrap(self._make_task(parameters, step)))
        except ValueRefused as fault:
            raise PermanentError(f"the variables cannot be handed to {what}: {fault}") from fault
        answer = blocks_of(step).run_function(FUNCTION, given, step, what=what, timeout_seconds=self._patience(step))
        try:
            told = revived(answer[1:])
            if answer[:1] == channel.RETURNED:
                return read_outcome(told)
            message, again, after = str(told["message"])[:MAX_MESSAGE_CHARACTERS], told["retry"], told["after_seconds"]
            pause = None if after is None else float(after)
        except UNREADABLE as fault:  # the plugin wrote on its answer's way itself
            raise PermanentError(f"{what} gave an answer that cannot be read") from fault
        if again is True:
            raise RetryableError(f"{what}: {message}", retry_after_seconds=pause)
        raise PermanentError(f"{what}: {message}")

    def _make_task(self, parameters: Mapping[str, Any], step: Step) -> dict[str, Any]:
        """What its process is told."""
        around = names_around(step.scope)
        if self.offer.native:
            found = {name: step.scope.get(name) for name in self.secrets}
            around = {name: value for name, value in found.items() if isinstance(value, str)}
        return {
            "native": self.offer.native,
            "plugin": self.plugin.name,
            "folder": self.plugin.folder,
            "layer": self.plugin.layer,
            "type": self.offer.type,
            "module": self.offer.module,
            "name": self.offer.name,
            "run_id": step.run_id,
            "flow": step.flow,
            "state": step.state,
            "attempt": step.attempt,
            "idempotency_key": step.idempotency_key,
            "parameters": parameters,
            "targets": step.targets,
            "output": step.output if isinstance(step.output, str) else None,
            "variables": dict(step.scope),
            "around": around,
        }

    def _patience(self, step: Step) -> float | None:
        """How long it may take where the flow says nothing."""
        if step.timeout_seconds is not None:
            return None
        allowed = step.services.get("request_seconds")
        share = float(allowed) * SHARE_OF_REQUEST if allowed else None
        own = self.offer.timeout_seconds
        return min((seconds for seconds in (own, share) if seconds is not None), default=None)


def names_around(scope: Mapping[str, Any]) -> dict[str, Any]:
    """What a run can see beside its own variables: the tenant's variables and secrets, services, the environment; of a
    child run, the variables of its parent too."""
    found: dict[str, Any] = {}
    for names in reversed(list(layers_of(scope))):
        found.update(names)
    return found


def layers_of(scope: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The nearest first."""
    around = scope.outer if isinstance(scope, Scope) else None
    while around is not None:
        yield dict(around)
        around = around.outer if isinstance(around, Scope) else None


def read_outcome(told: Record) -> Outcome:
    """The outcome that a process told. Raises one of UNREADABLE for what ours never says: a plugin can write whatever
    it likes."""
    changes, removed, goes_to, fault = told["changes"], told["removed"], told["goes_to"], told["fault"]
    if not isinstance(changes, Record) or not isinstance(removed, list):
        raise TypeError("the parts of the answer are not what they should be")
    if not all(isinstance(name, str) for name in (*dict.keys(changes), *removed)):
        raise TypeError("a variable's name is no text")
    if not all(text is None or isinstance(text, str) for text in (goes_to, fault)):
        raise TypeError("a state's name is no text")
    return Outcome(
        value=told["value"],
        changes=dict(changes),
        removed=tuple(removed),
        goes_to=goes_to,
        fault=fault[:MAX_MESSAGE_CHARACTERS] if fault else None,
    )
