"""The stages of a build, and who is told how far it is.

InputInvalid
├── StageFailed         one stage says no; knows which, and why
└── BuildCancelled      (of `images.errors`) whoever asked for it no longer wants it
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Protocol

from intellyhub_engine.errors import FlowInvalid, InputInvalid
from intellyhub_engine.frozen import dataclass
from intellyhub_knative.images.errors import BuildCancelled
from intellyhub_knative.images.patience import Watch

__all__ = ["Listener", "Remark", "Stage", "StageFailed", "StageResult", "StageStatus", "Told"]

LONGEST_LINE = 2000


class Stage(StrEnum):
    """What a build does, in this order."""

    CHECK = "check"  # the text, and those of the flows that it calls
    TEST = "test"  # the flow's own tests
    PLUGINS = "plugins"  # plugins and packages, as layers
    IMAGE = "image"  # everything put together
    PUSH = "push"  # to the registry, a folder or an archive
    DEPLOY = "deploy"  # the flow's record names the image; on a platform only


class StageStatus(StrEnum):
    """How a stage is."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    SKIPPED = "skipped"  # there was nothing to do: nothing there, or done before with the same inputs
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, kw_only=True)
class StageResult:
    """A stage that has ended."""

    stage: Stage
    status: StageStatus
    seconds: float
    message: str = ""
    """What came of it, in one line for people."""


class StageFailed(InputInvalid):
    """A stage says no; its cause is what was raised in it."""

    def __init__(self, stage: Stage, message: str) -> None:
        self.stage = stage
        super().__init__(message)


class Listener(Protocol):
    """Hears how a build goes on."""

    def began(self, stage: Stage) -> None:
        """A stage begins."""

    def said(self, stage: Stage, text: str) -> None:
        """A line of its log."""

    def ended(self, result: StageResult) -> None:
        """It is over."""


class Remark:
    """What a stage says of its own result."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self.message = ""
        self.status = StageStatus.SUCCEEDED

    def skip(self, why: str) -> None:
        """Nothing had to be done."""
        self.status, self.message = StageStatus.SKIPPED, why


class Told:
    """Runs stages, and tells a listener of them."""

    def __init__(self, listener: Listener, cancelled: Callable[[], bool]) -> None:
        self.listener = listener
        self.cancelled = cancelled
        self.results: list[StageResult] = []

    def watch(self, stage: Stage) -> Watch:
        """For work of a stage."""
        return Watch(progress=lambda text: self.listener.said(stage, text[:LONGEST_LINE]), cancelled=self.cancelled)

    @contextmanager
    def stage(self, stage: Stage) -> Iterator[Remark]:
        """One stage. What goes wrong in it comes out as `StageFailed` or `BuildCancelled`, told before."""
        self.watch(stage).check()
        self.listener.began(stage)
        began = time.monotonic()
        remark = Remark(lambda text: self.listener.said(stage, text[:LONGEST_LINE]))

        def end(status: StageStatus, message: str) -> None:
            result = StageResult(stage=stage, status=status, seconds=time.monotonic() - began, message=message)
            self.results.append(result)
            self.listener.ended(result)

        try:
            yield remark
        except BuildCancelled as fault:
            end(StageStatus.CANCELLED, str(fault))
            raise
        except StageFailed as fault:
            end(StageStatus.FAILED, str(fault))
            raise
        except (InputInvalid, FlowInvalid, OSError) as fault:
            end(StageStatus.FAILED, str(fault))
            raise StageFailed(stage, str(fault)) from fault
        end(remark.status, remark.message)
