"""Builds, as the API has them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from intellyhub_control_plane.models.builds import BuildStatus
from intellyhub_control_plane.shapes.runs import RunFlow
from intellyhub_control_plane.shapes.shape import Answer, Moment, Page, PageQuery, Request, Shape, Text
from intellyhub_knative.builds.stages import StageStatus

__all__ = [
    "AskBuild",
    "Build",
    "BuildDetail",
    "BuildList",
    "BuildLogQuery",
    "BuildPath",
    "BuildQuery",
    "BuildStage",
]


class BuildStage(Answer):
    """A stage of a build."""

    stage: str = Field(description="`check`, `test`, `plugins`, `image`, `push` or `deploy`.")
    status: StageStatus
    milliseconds: int | None
    message: str


class Build(Answer):
    """The making of an image of one version of a flow."""

    id: str
    flow: RunFlow
    version: int
    target: str = Field(description="Where the image goes; empty: the platform's registry, and the flow runs with it.")
    status: BuildStatus
    message: str = Field(description="Why it failed, or what it waits for.")
    image: str = Field(description="`registry/repository@sha256:...`; empty until it is pushed.")
    digest: str
    size: int | None = Field(description="Bytes of the image in a registry that has nothing of it.")
    attempts: int
    created_by: str | None
    created_at: Moment
    started_at: Moment | None
    ended_at: Moment | None


class BuildDetail(Build):
    """A build with its stages."""

    stages: list[BuildStage]


class BuildList(Page):
    """Builds, newest first."""

    items: list[Build]
    builds: list[Build]


class AskBuild(Request):
    """A build of the current version."""

    to: Annotated[Text, Field(max_length=500)] = Field(
        default="",
        description="On one machine: `registry/repository:tag`. On a cluster nothing: it goes to the platform's"
        " registry, and the flow runs with it.",
    )


class BuildPath(Request):
    """Which build."""

    build_id: Text


class BuildQuery(PageQuery):
    """Which builds."""

    flow: Annotated[Text | None, Field(description="A flow's id or slug.")] = None
    status: BuildStatus | None = None


class BuildLogQuery(Shape):
    """Which lines."""

    after: Annotated[int, Field(ge=0, le=2**31 - 1, description="Only lines after this one.")] = 0
    follow: bool = Field(default=False, description="Server-sent events (`text/event-stream`) as they happen.")
