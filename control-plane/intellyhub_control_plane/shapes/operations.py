"""What runs and how it is: workers, sources, dead letters, health."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from intellyhub_control_plane.shapes.flows import SourceHealth
from intellyhub_control_plane.shapes.runs import RunFlow
from intellyhub_control_plane.shapes.shape import Answer, Moment, Page, PageQuery, Request, Shape, Text

__all__ = [
    "DeadLetter",
    "DeadLetterList",
    "DeadLetterPath",
    "DeadLetterQuery",
    "Health",
    "HealthQuery",
    "HealthStatus",
    "PartHealth",
    "Redelivered",
    "Source",
    "SourceList",
    "VersionInfo",
    "Worker",
    "WorkerList",
]


class Worker(Answer):
    """A process that serves one version of one flow."""

    flow: RunFlow
    version: int
    pid: int
    state: str = Field(description="starting, busy, idle, stopping")
    started_at: Moment
    in_flight: int
    requests: int
    memory_bytes: int | None


class WorkerList(Page):
    """Workers that are awake."""

    items: list[Worker]
    workers: list[Worker]
    reason: str | None = Field(description="Why nothing can be told of them; null where these are all.")


class Source(Answer):
    """What listens for a flow."""

    flow: RunFlow
    type: str
    active: bool = Field(description="False: its flow is switched off.")
    health: SourceHealth | None = Field(description="Of a webhook: whether it is open. Null for events.")


class SourceList(Page):
    """Sources, by flow."""

    items: list[Source]
    sources: list[Source]


class DeadLetter(Answer):
    """An event that could not be delivered."""

    id: int
    flow: RunFlow
    event: dict[str, Any]
    attempts: int
    code: int | None = Field(description="The flow's last answer, an HTTP status.")
    error: str
    accepted_at: Moment
    died_at: Moment


class DeadLetterList(Page):
    """Dead letters, newest first."""

    items: list[DeadLetter]
    dead_letters: list[DeadLetter]


class DeadLetterQuery(PageQuery):
    """Which dead letters."""

    flow: Annotated[Text | None, Field(max_length=120, description="A flow's id or slug.")] = None


class DeadLetterPath(Request):
    """Which dead letter."""

    dead_letter_id: Annotated[int, Field(ge=1, le=2**62)]


class Redelivered(Answer):
    """How many dead letters are due again."""

    redelivered: int


class HealthStatus(StrEnum):
    """How something is."""

    OK = "ok"
    DEGRADED = "degraded"  # it works, with a fault
    DOWN = "down"


class PartHealth(Answer):
    """How a part of the platform is."""

    status: HealthStatus
    reason: str | None
    pid: int | None
    latency_ms: float | None


class Health(Answer):
    """How the platform is."""

    status: HealthStatus
    version: str
    components: dict[str, PartHealth] | None = Field(description="With `detailed=true`: the parts by name.")


class HealthQuery(Shape):
    """How much to tell."""

    detailed: bool = False


class VersionInfo(Answer):
    """What is installed."""

    name: str = "intellyhub"
    version: str
    packages: dict[str, str]
    python: str
