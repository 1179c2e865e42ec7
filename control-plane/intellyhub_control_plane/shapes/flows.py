"""Flows: texts, versions, problems, machines as graphs."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from intellyhub_control_plane.shapes.runs import RunStatus
from intellyhub_control_plane.shapes.shape import Answer, Moment, Page, PageQuery, Request, Shape, Text
from intellyhub_engine.language.problems import Severity

__all__ = [
    "CreateFlow",
    "Deployed",
    "DeploymentState",
    "Execute",
    "Flow",
    "FlowCreated",
    "FlowDetail",
    "FlowHeaders",
    "FlowList",
    "FlowLog",
    "FlowLogs",
    "FlowPath",
    "FlowProblem",
    "FlowQuery",
    "FlowState",
    "FlowStatus",
    "FlowUpdated",
    "FlowVersion",
    "FlowVersionDetail",
    "Graph",
    "GraphEdge",
    "GraphNode",
    "IdempotencyHeaders",
    "LastRun",
    "Listener",
    "LogQuery",
    "ReadHeaders",
    "RolloutPhase",
    "RolloutProgress",
    "RolloutWish",
    "SourceHealth",
    "StartRollout",
    "UpdateFlow",
    "Validate",
    "Validation",
    "VersionList",
    "VersionPath",
]

MAX_YAML_CHARACTERS = 2_000_000
Yaml = Annotated[str, Field(max_length=MAX_YAML_CHARACTERS, description="The flow's text.")]
Name = Annotated[Text, Field(min_length=1, max_length=120)]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", description="Its name in addresses.")]


class FlowState(StrEnum):
    """What a flow is doing."""

    RUNNING = "running"  # a run executes
    LISTENING = "listening"  # its source listens
    SLEEPING = "sleeping"  # nothing runs; a request wakes it
    INACTIVE = "inactive"  # switched off
    ERROR = "error"  # its source fails, or its workers cannot start


class FlowProblem(Shape):
    """A fault in a flow's text. Lines and columns count from 1."""

    code: str
    severity: Severity
    message: str
    line: int | None
    column: int | None
    end_line: int | None
    end_column: int | None
    suggestion: str | None
    state: str | None


class GraphNode(Answer):
    """A state."""

    id: str = Field(description="The state's name; states of nested bodies are named `loop/state`.")
    type: str
    start: bool
    end: bool


class GraphEdge(Answer):
    """A transition."""

    source: str
    target: str
    kind: str = Field(description="next, success, error, true, false, case, default, body, done, branch")
    label: str = Field(description="What the transition is called: a case's value, a branch's name.")


class Graph(Answer):
    """A flow's machine."""

    nodes: list[GraphNode]
    edges: list[GraphEdge]


class Listener(Answer):
    """What wakes the flow, as its author wrote it."""

    type: str
    parameters: dict[str, Any]


class SourceHealth(Answer):
    """How a flow's source is doing."""

    connected: bool
    message: str
    last_contact_at: Moment | None
    last_event_at: Moment | None
    next_attempt_at: Moment | None
    events: int | None


class LastRun(Answer):
    """The newest run, in short."""

    id: str
    status: RunStatus
    started_at: Moment


class RolloutPhase(StrEnum):
    """How a rollout stands."""

    RUNNING = "running"
    DONE = "done"  # the new version has everything
    ROLLED_BACK = "rolled_back"  # the stable version has everything


class RolloutProgress(Answer):
    """A rollout, as the cluster has it."""

    version: int = Field(description="The new one.")
    stable: int = Field(description="The one that has the rest.")
    percent: int
    phase: RolloutPhase
    message: str = Field(description="Why the new version was taken back; empty otherwise.")


class DeploymentState(StrEnum):
    """How far the current version is on the cluster."""

    BUILDING = "building"  # it has no image yet
    DEPLOYING = "deploying"
    READY = "ready"
    FAILING = "failing"  # it will not get ready as it is; the cluster still tries
    FAILED = "failed"


class Deployed(Answer):
    """How a flow stands on a cluster."""

    state: DeploymentState
    serves: bool = Field(description="Requests are answered, by whichever version.")
    message: str = Field(description="What is wrong and what to do about it; empty where all is well.")
    since: Moment | None
    urls: dict[str, str] = Field(description="Where versions are reached inside the cluster by themselves, by tag.")
    routed: dict[str, int] = Field(description="Percent of the requests, by version's tag.")
    rollout: RolloutProgress | None


class Flow(Answer):
    """A flow."""

    id: str
    name: str
    slug: str
    version: int
    active: bool
    state: FlowState
    listener: Listener | None
    source: SourceHealth | None
    workers: int = Field(description="Awake now.")
    failure: str | None = Field(description="Why its workers cannot start; null where they can.")
    last_run: LastRun | None
    url: str
    hook_url: str | None = Field(description="Where its webhook, MCP server or agent is reached; null without one.")
    deployment: Deployed | None = Field(description="On a cluster: how it stands there.")
    created_at: Moment
    updated_at: Moment


class FlowDetail(Flow):
    """A flow with its text."""

    yaml_content: str
    graph: Graph | None
    problems: list[FlowProblem]


class FlowCreated(Flow):
    """A new flow, and what a person should look at."""

    problems: list[FlowProblem]


class FlowUpdated(FlowCreated):
    """A changed flow, and what a person should look at."""


class FlowList(Page):
    """Flows, newest first."""

    items: list[Flow]
    flows: list[Flow]


class CreateFlow(Request):
    """A new flow. It is published at once."""

    name: Name
    yaml_content: Yaml
    slug: Slug | None = Field(default=None, description="Made from the name when it is not given.")


class RolloutWish(Request):
    """How a new version gets its part of the requests."""

    percent: Annotated[int, Field(ge=0, le=100)]
    step: Annotated[int, Field(ge=0, le=100, description="Percent more after each interval; 0: none.")] = 0
    interval_seconds: Annotated[float, Field(ge=1, le=604800)] = 60.0
    max_failures_percent: Annotated[
        float, Field(ge=0, le=100, description="Of its runs; above that it is taken back.")
    ] = 20.0


class StartRollout(RolloutWish):
    """A rollout of the current version."""

    stable: Annotated[
        int | None,
        Field(ge=1, le=2**31 - 1, description="Which version has the rest; not given: the one before."),
    ] = None


class UpdateFlow(Request):
    """What is to change. A new text becomes a new version."""

    name: Name | None = None
    yaml_content: Yaml | None = None
    active: bool | None = None
    min_scale: Annotated[int | None, Field(ge=0, le=100, description="On a cluster: workers that are always kept.")] = (
        None
    )
    rollout: Annotated[RolloutWish | None, Field(description="On a cluster: what the new version gets at first.")] = (
        None
    )


class Validate(Request):
    """A text to look at."""

    yaml_content: Yaml


class Validation(Answer):
    """What there is to say about a text."""

    valid: bool
    problems: list[FlowProblem]
    graph: Graph | None
    listener: Listener | None


class FlowPath(Request):
    """Which flow."""

    flow_id: Annotated[Text, Field(description="The flow's id or slug.")]


class VersionPath(FlowPath):
    """Which version of which flow."""

    version: Annotated[int, Field(ge=1, le=2_000_000_000)]


class FlowQuery(PageQuery):
    """Which flows."""

    q: Annotated[Text, Field(max_length=120)] = Field(default="", description="A part of the name or the slug.")


class FlowHeaders(Shape):
    """Changes only what one has seen."""

    if_match: Annotated[str | None, Field(alias="If-Match", description="The flow's ETag.")] = None


class ReadHeaders(Shape):
    """Spares what one has read already."""

    if_none_match: Annotated[
        str | None, Field(alias="If-None-Match", description="The ETag of what was read: 304 where it still stands.")
    ] = None

    def has(self, etag: str) -> bool:
        """Whether the client has read just that."""
        tags = [tag.strip().removeprefix("W/") for tag in (self.if_none_match or "").split(",")]
        return "*" in tags or etag in tags


class IdempotencyHeaders(Shape):
    """Makes a request safe to repeat."""

    idempotency_key: Annotated[
        str | None, Field(alias="Idempotency-Key", max_length=255, description="The same key, the same answer.")
    ] = None


class Execute(Request):
    """What to run the flow with."""

    event: dict[str, Any] | None = Field(
        default=None, description="A CloudEvent's attributes and `data`, or its data alone."
    )
    variables: dict[str, Any] = Field(default_factory=dict)
    wait_seconds: Annotated[float, Field(ge=0, le=60)] = Field(
        default=0, description="Wait for the run's end for so long."
    )


class FlowVersion(Answer):
    """A published text. Immutable."""

    version: int
    digest: str = Field(description="SHA-256 of the text.")
    created_at: Moment
    created_by: str | None = Field(description="An e-mail address.")
    current: bool


class FlowVersionDetail(FlowVersion):
    """A version with its text."""

    yaml_content: str


class VersionList(Page):
    """Versions, newest first."""

    items: list[FlowVersion]
    versions: list[FlowVersion]


class FlowStatus(Answer):
    """What a flow is doing."""

    id: str
    slug: str
    version: int
    active: bool
    state: FlowState
    status: FlowState = Field(description="The same as `state`.")
    workers: int
    source: SourceHealth | None
    last_run: LastRun | None
    runs: dict[str, int] = Field(description="How many runs there are, by status.")


class FlowLog(Answer):
    """A line that a flow logged."""

    at: Moment
    run_id: str
    state: str | None
    level: str
    message: str


class FlowLogs(Page):
    """Log lines, oldest first."""

    items: list[FlowLog]
    logs: list[FlowLog]


class LogQuery(Shape):
    """Which lines."""

    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    cursor: Annotated[str | None, Field(description="`next_cursor` of the page before: older lines.")] = None
    follow: bool = Field(default=False, description="Server-sent events (`text/event-stream`) as they happen.")
