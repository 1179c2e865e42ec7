"""Runs and their steps."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import AwareDatetime, Field

from intellyhub_control_plane.shapes.shape import Answer, Moment, Page, PageQuery, Request, Text
from intellyhub_engine.journal.records import RunStatus, StepStatus

__all__ = [
    "CopiedFrom",
    "FlowStarted",
    "Fork",
    "GivenEvent",
    "Replay",
    "Resume",
    "Run",
    "RunDetail",
    "RunFlow",
    "RunList",
    "RunPath",
    "RunQuery",
    "RunStarted",
    "RunStatus",
    "Step",
    "StepList",
    "StepLog",
    "WaitingFor",
    "WaitingKind",
]


USAGE = "What it spent, its child runs included: input_tokens, output_tokens, cost_usd."


class RunFlow(Answer):
    """Which flow a run is of; slug and name are null when it was deleted meanwhile."""

    id: str
    slug: str | None
    name: str | None


class WaitingKind(StrEnum):
    """What can wake a waiting run."""

    TIME = "time"
    EVENT = "event"
    APPROVAL = "approval"
    CHILDREN = "children"  # only its child runs know


class WaitingFor(Answer):
    """What a waiting run waits for."""

    kind: WaitingKind
    state: str | None = Field(description="Where it waits.")
    event: dict[str, Any] | None = Field(description="The attributes of the event it waits for.")
    question: str | None = Field(description="What a person is to answer.")


class CopiedFrom(Answer):
    """The run this one was replayed (`seq` 0) or forked from."""

    run_id: str
    seq: int


class Run(Answer):
    """An execution of a flow for one event."""

    id: str
    flow: RunFlow
    version: int | None = Field(description="Null where the version is not known any more.")
    status: RunStatus
    started_at: Moment
    finished_at: Moment | None
    duration_ms: float | None
    end_state: str | None
    error: str | None
    steps: int
    wake_at: Moment | None
    waiting_for: WaitingFor | None
    parent_id: str | None
    copied_from: CopiedFrom | None


class RunDetail(Run):
    """A run with its values. Secrets are masked."""

    event: dict[str, Any] | None
    variables: dict[str, Any]
    output: Any = None
    usage: dict[str, float] = Field(description=USAGE)


class RunList(Page):
    """Runs, newest first."""

    items: list[Run]
    runs: list[Run]


class StepLog(Answer):
    """A line that a step logged."""

    at: Moment
    level: str
    message: str


class Step(Answer):
    """One visit of one state: one attempt of it."""

    seq: int
    state: str
    type: str
    attempt: int
    status: StepStatus
    next: str | None
    started_at: Moment
    finished_at: Moment | None
    duration_ms: float | None
    changes: dict[str, Any] = Field(description="The variables it assigned.")
    removed: list[str] = Field(description="The variables it deleted.")
    error: str | None
    emitted: list[dict[str, Any]]
    usage: dict[str, float] = Field(description=USAGE)
    logs: list[StepLog]


class StepList(Page):
    """Steps, in order."""

    items: list[Step]
    steps: list[Step]
    logs: list[StepLog] = Field(description="Lines that belong to the run as a whole.")


class RunStarted(Answer):
    """A run that is on its way."""

    run_id: str
    status_url: str


class GivenEvent(StrEnum):
    """What a run that was started by hand has for its event."""

    GIVEN = "given"
    SAMPLE = "sample"  # none was given: its listener's sample
    NONE = "none"  # none was given, and the flow has no listener


class FlowStarted(RunStarted):
    """A run that was started by hand."""

    event: GivenEvent


class RunQuery(PageQuery):
    """Which runs."""

    flow: Annotated[Text | None, Field(max_length=120, description="A flow's id or slug.")] = None
    status: RunStatus | None = None
    since: Annotated[AwareDatetime | None, Field(description="Started at or after.")] = None
    until: Annotated[AwareDatetime | None, Field(description="Started before.")] = None
    q: Annotated[Text, Field(max_length=120)] = Field(
        default="", description="A part of the id, the end state or the error."
    )


class RunPath(Request):
    """Which run."""

    run_id: Annotated[str, Field(max_length=512)]


class Resume(Request):
    """How a waiting run goes on."""

    decision: Any = Field(
        default=None,
        description="The answer to its question; none: it goes on if its time has come or its worker died.",
    )


class Replay(Request):
    """Runs the same event again."""

    version: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="On this version; the current one if none."
    )


class Fork(Replay):
    """Runs again from one step on."""

    seq: Annotated[int, Field(ge=1)] = Field(description="The step to begin with.")
    variables: dict[str, Any] = Field(default_factory=dict, description="Values that take the place of the run's.")
