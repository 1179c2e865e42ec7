"""Connected git repositories, as the API has them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from intellyhub_control_plane.shapes.shape import Answer, Moment, Page, Request, Text

__all__ = [
    "ConnectRepository",
    "ConnectedRepository",
    "Pull",
    "PullResult",
    "PushTaken",
    "Repository",
    "RepositoryDetail",
    "RepositoryList",
    "RepositoryPath",
]


class PullResult(Answer):
    """What became of one file."""

    file: str
    result: str = Field(description="`created`, `published`, `removed` (its flow is switched off) or `failed`.")
    message: str
    flow_id: str | None
    slug: str | None
    version: int | None


class Pull(Answer):
    """One look at a repository."""

    revision: str = Field(description="The commit.")
    cause: str = Field(description="`push`, `sync` or `connect`.")
    ok: bool
    message: str
    results: list[PullResult]
    at: Moment


class Repository(Answer):
    """A branch of a git repository whose flows are published when they change."""

    id: str
    url: str
    branch: str
    path: str
    revision: str
    flows: int = Field(description="Files that are flows here.")
    waiting: bool = Field(description="It is being looked at, or will be at once.")
    webhook_url: str
    created_at: Moment
    synced_at: Moment | None


class ConnectedRepository(Repository):
    """A new one. The secret is shown this once."""

    secret: str


class RepositoryDetail(Repository):
    """With its history."""

    pulls: list[Pull]


class RepositoryList(Page):
    """Repositories, newest first."""

    items: list[Repository]
    repositories: list[Repository]


class ConnectRepository(Request):
    """A repository to connect."""

    url: Annotated[
        Text,
        Field(max_length=500, description="`https://host/repository.git`; `{NAME}` in it is the secret of that name."),
    ]
    branch: Annotated[Text, Field(max_length=200)] = "main"
    path: Annotated[Text, Field(max_length=200, description="The folder with the flows.")] = ""
    secret: Annotated[Text | None, Field(min_length=16, max_length=200, description="Not given: one is made up.")] = (
        None
    )


class RepositoryPath(Request):
    """Which repository."""

    repository_id: Text


class PushTaken(Answer):
    """What comes of a push."""

    taken: bool
    message: str
