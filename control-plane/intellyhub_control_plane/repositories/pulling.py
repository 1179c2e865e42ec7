"""Looks at repositories that are said to have changed, and publishes what changed in them."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from intellyhub_control_plane.cloning import clone
from intellyhub_control_plane.errors import FlowRefused, Refusal
from intellyhub_control_plane.examination import examine_here, provide_packages
from intellyhub_control_plane.models.flows import Flow, digest_of_text
from intellyhub_control_plane.models.names import make_slug, name_in
from intellyhub_control_plane.models.people import Membership
from intellyhub_control_plane.models.record import now
from intellyhub_control_plane.models.repositories import FlowRepository, RepositoryPull
from intellyhub_control_plane.models.roles import Role
from intellyhub_control_plane.models.settings import Secret
from intellyhub_control_plane.platform import Platform
from intellyhub_control_plane.repositories.files import Found, read_flow_files
from intellyhub_control_plane.target.equipment import open_store
from intellyhub_control_plane.web.caller import Caller
from intellyhub_engine.errors import EngineError, InputInvalid
from intellyhub_engine.frozen import dataclass
from intellyhub_knative.platform.seal import unseal

__all__ = ["PLACEHOLDER", "Puller"]

LOG = logging.getLogger(__name__)
LEASE_SECONDS = 180.0
"""Longer than it takes to fetch (`cloning.SECONDS`); with each file that is published it begins anew."""
PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
LONGEST = 2000
Result = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A repository that was claimed, without its row."""

    id: str
    tenant_id: str
    url: str
    branch: str
    path: str
    revision: str
    cause: str


@dataclass(frozen=True, kw_only=True)
class Puller:
    """Works for one platform."""

    platform: Platform
    stop: threading.Event = field(default_factory=threading.Event)
    """Set: no other repository is begun."""

    def work_off(self) -> int:
        """Look at those that are waiting until there is none; how many there were."""
        count = 0
        while not self.stop.is_set() and (wanted := self.claim()) is not None:
            self.pull(wanted)
            count += 1
        return count

    def claim(self) -> Wanted | None:
        """The next one."""
        with self.platform.database.transaction() as session:
            row = FlowRepository.claim(session, now(), LEASE_SECONDS)
            if row is None:
                return None
            return Wanted(
                id=row.id,
                tenant_id=row.tenant_id,
                url=row.url,
                branch=row.branch,
                path=row.path,
                revision=row.revision,
                cause=row.wanted_by,
            )

    def pull(self, wanted: Wanted) -> None:
        """One look. Whatever comes of it is in the repository's history."""
        try:
            revision, found = self.fetch(wanted)
            self.take(wanted, revision, found)
        except (InputInvalid, Refusal) as fault:
            self.note(wanted, RepositoryPull(ok=False, message=str(fault)[:LONGEST], results=[]))
        except StaleDataError:
            LOG.info("the repository %s was disconnected meanwhile", wanted.id)
        except Exception:
            LOG.exception("the repository %s could not be pulled", wanted.id)
            said = "the platform made a mistake; its log says which"
            self.note(wanted, RepositoryPull(ok=False, message=said, results=[]))

    def fetch(self, wanted: Wanted) -> tuple[str, Found]:
        """The newest commit of its branch. Raises `InputInvalid`."""
        store = open_store(self.platform.layout, wanted.tenant_id)
        fetched = clone(
            self.fill_in(wanted),
            f"refs/heads/{wanted.branch}",
            name=f"{wanted.url} ({wanted.branch})",
            scratch=store.scratch,
            user=store.user,
            outside_only=not self.platform.settings.inside_repositories,
        )
        with fetched as (top, revision):
            return revision, read_flow_files(top, wanted.path)

    def fill_in(self, wanted: Wanted) -> str:
        """The address with the tenant's secrets in it: whatever they hold, they stay credentials."""
        names = set(PLACEHOLDER.findall(wanted.url))
        if not names:
            return wanted.url
        with self.platform.database.transaction(writing=False) as session:
            rows = session.query(Secret).filter(Secret.tenant_id == wanted.tenant_id, Secret.name.in_(names))
            values = unseal({row.name: row.sealed for row in rows}, self.platform.keys)
        if missing := sorted(names - values.keys()):
            raise InputInvalid(f"the address names the secret {missing[0]!r}, which is not set")
        return PLACEHOLDER.sub(lambda match: quote(values[match[1]], safe=""), wanted.url)

    def take(self, wanted: Wanted, revision: str, found: Found) -> None:
        """Publish what changed, switch off what is gone. What was pulled already is only noted where somebody asked."""
        known = self.known(wanted)
        changed = {file: text for file, text in found.texts.items() if differs(known.get(file), text)}
        gone = [file for file in known if file not in found.texts and file not in found.faults]
        results = [make_result(file, "failed", message) for file, message in sorted(found.faults.items())]
        after = {file: row for file, row in known.items() if file not in gone}
        for file, text in sorted(changed.items()):
            result, row = self.publish(wanted, file, text, known.get(file), after)
            results.append(result)
            if row is not None:
                after[file] = row
        results += [self.switch_off(wanted, file, known[file]) for file in sorted(gone)]
        ok = all(result["result"] != "failed" for result in results)
        is_news = bool(results) or revision != wanted.revision or wanted.cause != "push"
        pull = RepositoryPull(ok=ok, message="" if results else "nothing has changed", results=results)
        self.note(wanted, pull if is_news else None, revision=revision, flows=after)

    def known(self, wanted: Wanted) -> dict[str, Any]:
        """What was published from which file."""
        with self.platform.database.transaction(writing=False) as session:
            return dict(session.get_one(FlowRepository, wanted.id).flows)

    def publish(
        self, wanted: Wanted, file: str, text: str, before: Mapping[str, Any] | None, known: Mapping[str, Any]
    ) -> tuple[Result, dict[str, Any] | None]:
        """One file, and what is to be remembered of it."""
        try:
            with self.caller(wanted) as caller:
                flow, made = self.put(caller, file, text, before, known)
                caller.audit("flow.pulled", flow.id, repository=wanted.id, file=file, version=flow.current_version)
                caller.session.commit()
                result = make_result(file, "created" if made else "published", "", flow)
                caller.platform.publisher.offer_flow(caller.tenant.id, flow.id)
            return result, {"flow_id": flow.id, "digest": digest_of_text(text)}
        except FlowRefused as fault:
            lines = [f"line {each.line}: {each.message}" if each.line else each.message for each in fault.problems]
            return make_result(file, "failed", "; ".join(lines)), None
        except (Refusal, EngineError) as fault:
            return make_result(file, "failed", str(fault)), None

    def put(
        self, caller: Caller, file: str, text: str, before: Mapping[str, Any] | None, known: Mapping[str, Any]
    ) -> tuple[Flow, bool]:
        """The flow of a file, with this text; whether it is new. Raises `Refusal`, `EngineError`."""
        name = name_in(text, file)
        slug = make_slug(name, "flow")
        examined = examine_here(caller, text, name, also=slug)
        if not examined.is_valid:
            raise FlowRefused(examined.problems)
        provide_packages(caller, examined)
        question = Flow.of(caller.tenant).with_for_update()
        flow = caller.session.scalar(question.where(Flow.id == before["flow_id"])) if before else None
        if flow is None:
            flow = caller.session.scalar(question.where(Flow.slug == slug))
            others = {row["flow_id"]: other for other, row in known.items() if other != file}
            if flow is not None and flow.id in others:
                raise InputInvalid(f"the flow {slug!r} is that of {others[flow.id]}: give it another name")
        made = flow is None
        if flow is None:
            flow = Flow.create(caller.session, caller.tenant, name=name[:120], slug=slug)
        flow.change(name=name[:120], active=None if made or before else True)
        flow.publish(caller.session, text, caller.user, listener=examined.listener, variables=examined.variables)
        return flow, made

    def switch_off(self, wanted: Wanted, file: str, row: Mapping[str, Any]) -> Result:
        """A file is gone: its flow stays, with its runs, and does nothing any more."""
        try:
            with self.caller(wanted) as caller:
                flow = caller.session.scalar(Flow.of(caller.tenant).where(Flow.id == row["flow_id"]))
                if flow is None:
                    return make_result(file, "removed", "its flow had been deleted")
                flow.change(name=None, active=False)
                caller.audit("flow.switched_off", flow.id, repository=wanted.id, file=file)
                caller.session.commit()
                caller.platform.publisher.offer_flow(caller.tenant.id, flow.id)
                return make_result(file, "removed", "the file is gone: the flow is switched off, not deleted", flow)
        except (Refusal, EngineError) as fault:
            return make_result(file, "failed", str(fault))

    @contextmanager
    def caller(self, wanted: Wanted) -> Iterator[Caller]:
        """In the name of whoever connected it, as long as they may publish. Raises `InputInvalid`."""
        with self.platform.database.session(writing=True) as session:
            member = self.member(session, wanted)
            yield Caller(
                platform=self.platform, session=session, user=member.user, tenant=member.tenant, role=Role(member.role)
            )

    def member(self, session: Session, wanted: Wanted) -> Membership:
        """Whoever connected it. Raises `InputInvalid`."""
        row = session.get_one(FlowRepository, wanted.id)
        row.pulling_until = now() + timedelta(seconds=LEASE_SECONDS)
        member = session.get(Membership, (wanted.tenant_id, row.created_by))
        if member is None or member.user.disabled or not Role(member.role).may(Role.EDITOR):
            raise InputInvalid("whoever connected the repository may not publish any more: connect it again")
        return member

    def note(
        self, wanted: Wanted, pull: RepositoryPull | None, *, revision: str = "", flows: dict[str, Any] | None = None
    ) -> None:
        """Remember what came of it."""
        with self.platform.database.transaction() as session:
            row = session.get(FlowRepository, wanted.id, with_for_update=True)
            if row is None:
                return
            row.pulling_until, row.synced_at = None, now()
            row.revision = revision or row.revision
            if flows is not None:
                row.flows = flows
            if pull is not None:
                pull.repository_id, pull.revision, pull.cause = row.id, revision or row.revision, wanted.cause
                row.note(session, pull)


def differs(row: Mapping[str, Any] | None, text: str) -> bool:
    """Whether a text is another one than was published."""
    return row is None or row.get("digest") != digest_of_text(text)


def make_result(file: str, result: str, message: str, flow: Flow | None = None) -> Result:
    """A line of the history."""
    return {
        "file": file[:500],
        "result": result,
        "message": message[:LONGEST],
        "flow_id": flow.id if flow else None,
        "slug": flow.slug if flow else None,
        "version": flow.current_version if flow else None,
    }
