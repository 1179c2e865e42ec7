"""A control plane for tests: a data folder and a database of its own, and a real journal service beside it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from argon2 import PasswordHasher
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from intellyhub_control_plane.database.database import Database
from intellyhub_control_plane.models.people import Membership, Tenant, User
from intellyhub_control_plane.models.record import make_id
from intellyhub_control_plane.models.roles import Role
from intellyhub_control_plane.platform import Platform, make_platform
from intellyhub_control_plane.settings import Registration, Settings
from intellyhub_control_plane.web.app import make_app
from intellyhub_control_plane.web.sessions import Claims, issue_access_token
from intellyhub_knative.platform.keys import load_keys
from intellyhub_knative.platform.layout import Layout
from tests.integration.platform_processes import Process

PASSWORD = "correct horse battery staple"
PASSWORD_HASH = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)
"""Cheap: what a hash costs is no subject of most tests."""
HELLO = """\
name: hello
variables:
  greeting: Hi
states:
  greet:
    state_type: set
    values:
      text: "{greeting} {name}"
    transition: end
"""
HOOK = """\
name: hook
listener:
  type: webhook
states:
  note:
    state_type: set
    values:
      seen: "{event.body}"
    transition: end
"""
BROKEN = """\
name: broken
states:
  greet:
    state_type: sett
    transition: nowhere
"""


@contextmanager
def data_folder() -> Iterator[Layout]:
    """An empty one, with a short path: addresses of unix sockets are."""
    folder = Path(tempfile.mkdtemp(dir="/tmp", prefix="ih"))
    try:
        (folder / "run" / "flows").mkdir(parents=True)
        yield Layout(data=folder)
    finally:
        shutil.rmtree(folder)


@contextmanager
def journal_service(layout: Layout) -> Iterator[None]:
    """A real one over a data folder."""
    with Process(layout, "journal"):
        yield


class Person(NamedTuple):
    """Someone in one tenant, with an API of their own."""

    user_id: str
    email: str
    tenant_id: str
    tenant_slug: str
    role: Role
    token: str


class House:
    """A platform, its application, and people."""

    def __init__(self, layout: Layout, database_url: str, **settings: Any) -> None:
        given = {"registration": Registration.OPEN, "public_url": "http://hub.test", **settings}
        self.settings = Settings(database_url=database_url, **given)
        self.platform: Platform = make_platform(self.settings, layout, load_keys(layout.key))
        self.client: FlaskClient = make_app(self.platform).test_client()

    @property
    def layout(self) -> Layout:
        return self.platform.layout

    @property
    def database(self) -> Database:
        return self.platform.database

    def close(self) -> None:
        self.platform.journal.close()
        self.database.dispose()

    def person(self, role: Role = Role.OWNER, *, of: Person | None = None, admin: bool = False) -> Person:
        """Someone new, in the tenant of another one or in one of their own."""
        with self.database.transaction() as session:
            user = User(
                id=make_id(),
                email=f"{uuid4().hex[:12]}@hub.test",
                name="Ada",
                password_hash=PASSWORD_HASH,
                platform_admin=admin,
            )
            session.add(user)
            if of is None:
                tenant = Tenant.found(session, f"Org {user.id[:8]}", user, max_pods=3, max_flows=50)
            else:
                tenant = session.get_one(Tenant, of.tenant_id)
                session.add(Membership(tenant=tenant, user=user, role=role))
            if of is None and role is not Role.OWNER:
                session.flush()
                session.get_one(Membership, (tenant.id, user.id)).role = role
        claims = Claims(user_id=user.id, tenant_id=tenant.id)
        token = issue_access_token(self.platform.keys, claims, role, 600)
        return Person(user.id, user.email, tenant.id, tenant.slug, role, token)

    def call(self, person: Person | None, method: str, path: str, json: Any = None, **headers: str) -> TestResponse:
        """One request of a person's, or of a stranger's."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if person is not None:
            sent.setdefault("Authorization", f"Bearer {person.token}")
        return self.client.open(path, method=method, json=json, headers=sent)

    def flow(self, person: Person, text: str = HELLO, name: str = "Hello") -> dict[str, Any]:
        """A flow of a person's."""
        answer = self.call(person, "POST", "/api/flows", {"name": name, "yaml_content": text})
        assert answer.status_code == 201, answer.text
        return dict(answer.json or {})
