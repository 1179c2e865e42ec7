"""When a worker has had enough time. Pure: how it stands in, a verdict out."""

from __future__ import annotations

from intellyhub_knative.platform.activator.door import Door
from intellyhub_knative.platform.activator.page import State
from intellyhub_knative.platform.activator.workers import Worker

__all__ = ["GRACE_SECONDS", "judge_hung"]

GRACE_SECONDS = 1.0
"""Beyond a flow's timeout: what its own limits end, ends by itself."""
START_SECONDS = 20.0
"""What a worker gets to be ready."""
TAKE_SECONDS = 5.0
"""What an idle worker gets to take somebody who waits."""


def judge_hung(door: Door, worker: Worker, now: float) -> str | None:
    """Why the worker has to be killed, if it has; a sentence without its subject. `now` is `time.monotonic()`."""
    vitals = worker.vitals
    limit = door.deployment.timeout_seconds
    if vitals.since is not None and now - vitals.since > limit + GRACE_SECONDS:
        taken = now - vitals.since
        return f"its worker was stopped after {taken:.1f} s: the flow took longer than its timeout_seconds, {limit:g}"
    if vitals.state is State.STARTING and now - worker.assigned > START_SECONDS:
        return f"its worker was stopped: it was not ready after {START_SECONDS:g} s"
    if worker.idle and door.waiting_since is not None and now - max(door.waiting_since, worker.quiet) > TAKE_SECONDS:
        return f"its worker was stopped: it took nobody for {TAKE_SECONDS:g} s while somebody waited"
    return None
