"""State types whose effects can be counted afterwards: each leaves its idempotency key in the workspace."""

import os
from functools import partial

from intellyhub_engine.catalogue.manifest import Catalogue, Parameter, StateType
from intellyhub_engine.errors import PermanentError, RetryableError

LOG = "effects.log"
LEDGER = "ledger"


def make_catalogue(points):
    """The state types `note`, `ticket` and `stumble`."""
    parameters = {"text": Parameter(name="text"), "permanently": Parameter(name="permanently", default=False)}
    table = {"note": note, "ticket": ticket, "stumble": stumble}
    return Catalogue(
        states={
            name: StateType(type=name, parameters=parameters, load=partial(partial, guarded, perform, points))
            for name, perform in table.items()
        }
    )


def guarded(perform, points, parameters, step):
    points.reach()
    with open_log(step.workspace) as log:
        os.write(log.fileno(), f"{step.idempotency_key}\n".encode())
    try:
        return perform(parameters, step)
    finally:
        points.reach()


def note(parameters, step):
    """Only its line in the log."""
    return parameters["text"]


def ticket(_parameters, step):
    """A number from an outside service that knows the idempotency key: asked again, it answers the same."""
    ledger = step.workspace / LEDGER
    ledger.mkdir(exist_ok=True)
    kept = ledger / step.idempotency_key.replace("/", "_")
    if not kept.exists():
        scratch = kept.with_suffix(".new")
        scratch.write_text(str(len([entry for entry in ledger.iterdir() if not entry.suffix]) + 1))
        scratch.replace(kept)
    return {"number": int(kept.read_text())}


def stumble(parameters, step):
    """Fails once, or always."""
    if parameters["permanently"]:
        raise PermanentError("the door is walled up")
    if step.attempt == 1:
        raise RetryableError("the door is stuck")
    return step.attempt


def open_log(workspace):
    return (workspace / LOG).open("ab", buffering=0)


def keys_in(workspace):
    """The idempotency keys of all effects that happened, in order."""
    path = workspace / LOG
    return path.read_text().splitlines() if path.exists() else []
