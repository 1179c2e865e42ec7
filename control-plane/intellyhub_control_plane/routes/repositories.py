"""`/api/repositories`: git repositories whose flows are published when they change."""

from __future__ import annotations

import re
import secrets
from typing import Any
from urllib.parse import urlsplit

from flask import request

from intellyhub_control_plane.builds.at_home import begin_work
from intellyhub_control_plane.cloning import make_pinned
from intellyhub_control_plane.errors import RequestInvalid, Unauthenticated
from intellyhub_control_plane.models.record import make_id, now
from intellyhub_control_plane.models.repositories import FlowRepository
from intellyhub_control_plane.models.roles import Role
from intellyhub_control_plane.platform import the_platform
from intellyhub_control_plane.repositories.hooks import branch_of, is_theirs
from intellyhub_control_plane.repositories.pulling import PLACEHOLDER
from intellyhub_control_plane.shapes.problems import FieldFault
from intellyhub_control_plane.shapes.repositories import (
    ConnectedRepository,
    ConnectRepository,
    Pull,
    PullResult,
    PushTaken,
    Repository,
    RepositoryDetail,
    RepositoryList,
    RepositoryPath,
)
from intellyhub_control_plane.shapes.shape import PageQuery
from intellyhub_control_plane.web.address import public_url
from intellyhub_control_plane.web.area import Area, Needs
from intellyhub_control_plane.web.caller import Caller
from intellyhub_control_plane.web.paging import paginate
from intellyhub_engine.errors import InputInvalid
from intellyhub_knative.platform.seal import seal, unseal

__all__ = ["repositories"]

BRANCH = re.compile(r"^(?!.*(?:\.\.|//|@\{))[A-Za-z0-9_][A-Za-z0-9._/-]{0,199}(?<![./])$")
FOLDER = re.compile(r"^(?:[A-Za-z0-9_][A-Za-z0-9._ -]{0,99}(?:/[A-Za-z0-9_][A-Za-z0-9._ -]{0,99})*)?$")
SCHEMES = ("https", "http", "git")
SECRET = "secret"  # noqa: S105 - the name of a field
MOST_BODY_BYTES = 4 << 20
UNKNOWN = "there is no such repository, or this was not signed with its secret"
"""The same for both, so that nobody learns which there are."""

repositories = Area("repositories", "Git repositories whose flows are published when they change")


@repositories.operation(
    "POST", "/api/repositories", needs=Role.ADMIN, answers={201: ConnectedRepository}, faults=(402,)
)
def connect_repository(caller: Caller, body: ConnectRepository) -> ConnectedRepository:
    """Connect a repository: its flows are published now, and whenever its server tells of a push."""
    check(caller, body)
    FlowRepository.check_room(caller.session, caller.tenant)
    secret = body.secret or secrets.token_urlsafe(32)
    row = FlowRepository(
        id=make_id(),
        tenant_id=caller.tenant.id,
        url=body.url,
        branch=body.branch,
        path=body.path.strip("/"),
        sealed_secret=seal(secret, caller.platform.keys),
        created_by=caller.user.id,
        created_at=now(),
        flows={},
    )
    caller.session.add(row)
    row.want("connect")
    caller.audit("repository.connected", row.id, url=row.url, branch=row.branch, path=row.path)
    caller.session.commit()
    begin_work(caller.platform)
    return ConnectedRepository(**fields_of(row), secret=secret)


@repositories.operation("GET", "/api/repositories", needs=Role.VIEWER, answers={200: RepositoryList})
def list_repositories(caller: Caller, query: PageQuery) -> RepositoryList:
    """List connected repositories."""
    keys = (FlowRepository.created_at, FlowRepository.id)
    page = paginate(caller.session, FlowRepository.of(caller.tenant), keys, limit=query.limit, cursor=query.cursor)
    return RepositoryList.of([Repository(**fields_of(row)) for (row,) in page.rows], page.next_cursor)


@repositories.operation(
    "GET", "/api/repositories/<repository_id>", needs=Role.VIEWER, answers={200: RepositoryDetail}, faults=(404,)
)
def get_repository(caller: Caller, path: RepositoryPath) -> RepositoryDetail:
    """Get a repository with its history."""
    row = FlowRepository.named(caller.session, caller.tenant, path.repository_id)
    pulls = [
        Pull(
            revision=each.revision,
            cause=each.cause,
            ok=each.ok,
            message=each.message,
            results=[PullResult(**result) for result in each.results],
            at=each.at,
        )
        for each in row.pulls(caller.session)
    ]
    return RepositoryDetail(**fields_of(row), pulls=pulls)


@repositories.operation(
    "POST", "/api/repositories/<repository_id>/sync", needs=Role.EDITOR, answers={202: Repository}, faults=(404,)
)
def sync_connected_repository(caller: Caller, path: RepositoryPath) -> Repository:
    """Look at a repository now."""
    row = FlowRepository.named(caller.session, caller.tenant, path.repository_id)
    row.want("sync")
    caller.audit("repository.synced", row.id)
    caller.session.commit()
    begin_work(caller.platform)
    return Repository(**fields_of(row))


@repositories.operation(
    "DELETE", "/api/repositories/<repository_id>", needs=Role.ADMIN, answers={204: None}, faults=(404,)
)
def disconnect_repository(caller: Caller, path: RepositoryPath) -> None:
    """Disconnect a repository. Its flows stay as they are."""
    row = FlowRepository.named(caller.session, caller.tenant, path.repository_id)
    caller.session.delete(row)
    caller.audit("repository.disconnected", row.id, url=row.url)


@repositories.operation(
    "POST",
    "/api/repositories/<repository_id>/push",
    needs=Needs.NOTHING,
    answers={202: PushTaken},
    faults=(401,),
)
def receive_push(path: RepositoryPath) -> PushTaken:
    """Take the word of a git server that somebody pushed, signed with the repository's secret."""
    platform = the_platform()
    if (request.content_length or 0) > MOST_BODY_BYTES:
        raise RequestInvalid([FieldFault(location="body", message=f"is larger than {MOST_BODY_BYTES >> 20} MB")])
    body = request.get_data()
    headers = {name.lower(): value for name, value in request.headers.items()}
    with platform.database.transaction() as session:
        row = session.get(FlowRepository, path.repository_id)
        secret = unseal({SECRET: row.sealed_secret}, platform.keys)[SECRET] if row is not None else make_id()
        if not is_theirs(headers, body, secret) or row is None:
            raise Unauthenticated(UNKNOWN)
        branch = branch_of(body)
        if branch is not None and branch != row.branch:
            return PushTaken(taken=False, message=f"this is not the branch {row.branch!r}, and changes nothing here")
        row.want("push")
    begin_work(platform)
    return PushTaken(taken=True, message="it is looked at now")


def check(caller: Caller, body: ConnectRepository) -> None:
    """Raises `RequestInvalid` for what cannot be connected."""
    faults = []
    parts = urlsplit(body.url)
    if parts.scheme not in SCHEMES or not parts.hostname or any(each.isspace() for each in body.url):
        faults.append(FieldFault(location="body.url", message="is not such as https://host/repository.git"))
    elif parts.username and not PLACEHOLDER.search(parts.netloc.rpartition("@")[0]):
        message = "has credentials: keep them as a secret, and write its name in braces, https://user:{NAME}@host/..."
        faults.append(FieldFault(location="body.url", message=message))
    elif not caller.platform.settings.inside_repositories:
        try:
            make_pinned(body.url)
        except InputInvalid as fault:
            faults.append(FieldFault(location="body.url", message=str(fault)))
    if not BRANCH.match(body.branch):
        faults.append(FieldFault(location="body.branch", message="is no name of a branch"))
    if not FOLDER.match(body.path.strip("/")):
        faults.append(FieldFault(location="body.path", message="is no folder of the repository"))
    if faults:
        raise RequestInvalid(faults)


def fields_of(row: FlowRepository) -> dict[str, Any]:
    """What every shape of a repository has."""
    names = ("id", "url", "branch", "path", "revision", "created_at", "synced_at")
    return {name: getattr(row, name) or (None if name == "synced_at" else "") for name in names} | {
        "flows": len(row.flows),
        "waiting": row.wanted_at is not None or (row.pulling_until is not None and row.pulling_until > now()),
        "webhook_url": f"{public_url()}/api/repositories/{row.id}/push",
    }
