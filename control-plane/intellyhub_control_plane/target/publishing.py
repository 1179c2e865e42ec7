"""The target brought into agreement with the database, flow by flow. The database is the truth.

A crash between a commit and the target's change is healed by the next pass: at start, and every 30 seconds.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from intellyhub_control_plane.database.database import Database
from intellyhub_control_plane.journal_names import journal_name
from intellyhub_control_plane.models.flows import Flow, FlowVersion
from intellyhub_control_plane.models.people import Tenant
from intellyhub_control_plane.models.settings import Secret, Variable
from intellyhub_control_plane.models.tokens import ApiToken
from intellyhub_control_plane.settings import Settings
from intellyhub_control_plane.target.deployment import make_deployment, make_tenant_record
from intellyhub_control_plane.target.equipment import look_into, with_called
from intellyhub_control_plane.target.target import Target
from intellyhub_engine.errors import EngineError, JournalError
from intellyhub_engine.frozen import dataclass
from intellyhub_engine.journal.records import RunStatus, RunSummary
from intellyhub_knative.platform.deployments import Deployment

if TYPE_CHECKING:
    from intellyhub_knative.platform.journal.client import JournalClient

__all__ = ["Publisher"]

LOG = logging.getLogger(__name__)
PAGE = 200
"""Runs that the journal is asked for at a time."""


@dataclass(frozen=True, kw_only=True)
class Publisher:
    """Writes to the target what the database says."""

    settings: Settings
    database: Database
    target: Target
    journal: JournalClient

    def publish_flow(self, tenant_id: str, flow_id: str, *, keep: Collection[int] = ()) -> Deployment | None:
        """Bring one flow into agreement; versions in `keep` stay deployed this time. None: there is no such flow."""
        with self.target.held(), self.database.transaction(writing=False) as session:
            tenant = session.get(Tenant, tenant_id)
            flow = session.scalar(Flow.of(tenant).where(Flow.id == flow_id)) if tenant else None
            if tenant is None or flow is None:
                self.target.remove(tenant_id, flow_id)
                return None
            versions = self.versions_of(session, flow, keep)

            def path_of(number: int) -> Path:
                return self.target.text_path(tenant_id, flow_id, number)

            stock = look_into(session, self.target.layout, tenant)
            texts = with_called(session, tenant, [version.text for version in versions], stock.plugins)
            deployment = make_deployment(
                tenant,
                flow,
                versions,
                path_of,
                equipment=stock.equip(texts),
                idle_seconds=self.settings.idle_seconds,
                timeout_seconds=self.settings.timeout_seconds,
            )
            self.target.deploy(deployment, {version.number: version.text for version in versions})
        if self.target.has_images:
            self.wish_images(tenant_id, flow_id)
        return deployment

    def wish_images(self, tenant_id: str, flow_id: str) -> None:
        """Have the image of a flow made where it has none of just what it needs, and those of flows that call it."""
        from intellyhub_control_plane.builds.needs import callers_of, wish_image

        with self.database.transaction() as session:
            tenant = session.get(Tenant, tenant_id)
            flow = session.scalar(Flow.of(tenant).where(Flow.id == flow_id)) if tenant else None
            if tenant is None or flow is None:
                return
            for each in (flow_id, *callers_of(session, tenant, flow)):
                found = session.get(Flow, each)
                if found is not None:
                    wish_image(session, self.target.layout, tenant, found, self.settings.engine_image)

    def versions_of(self, session: Session, flow: Flow, keep: Collection[int]) -> Sequence[FlowVersion]:
        """The current version, and the older ones that are still needed, newest first."""
        current = flow.current(session)
        older = FlowVersion.without_text(flow.versions).where(FlowVersion.number != current.number)
        if not (others := session.scalars(older).all()):
            return [current]
        stable = (flow.rollout or {}).get("stable")
        needed = self.unfinished_digests(flow, others)
        needed |= {other.digest for other in others if other.number in keep or other.number == stable}
        if self.target.has_images and not current.image:  # until it has one, the newest that has goes on
            built = [other for other in others if other.image]
            needed |= {max(built, key=lambda other: other.number).digest} if built else set()
        kept = flow.versions.where(FlowVersion.number != current.number, FlowVersion.digest.in_(needed))
        return [current, *session.scalars(kept.order_by(FlowVersion.number.desc()))]

    def unfinished_digests(self, flow: Flow, older: Sequence[FlowVersion]) -> set[str]:
        """Older versions whose runs have not ended; where the journal cannot tell, all that are deployed."""
        wanted, needed = {version.digest for version in older}, set[str]()
        try:
            for run in self.unfinished_runs(flow.journal_name):
                needed |= {run.version} & wanted
                if needed == wanted:
                    break
        except JournalError:
            deployed = self.target.deployment(flow.id)
            return {version.digest for version in deployed.versions} if deployed else set()
        return needed

    def unfinished_runs(self, name: str) -> Iterator[RunSummary]:
        """Every run of a flow that has not ended. Raises `JournalError`."""
        for status in (RunStatus.RUNNING, RunStatus.WAITING):
            last = None
            while page := self.journal.runs(flow=name, status=status, limit=PAGE, before=last):
                yield from page
                if len(page) < PAGE:
                    break
                last = page[-1].run_id

    def retire_flow(self, tenant_id: str, flow_id: str) -> None:
        """A flow is gone from the database: end what runs of it, take it away, delete what is recorded. What fails is
        made good by the next pass, as far as the target goes."""
        name = journal_name(tenant_id, flow_id)
        with tolerated(f"flow {flow_id}"):
            for run in self.unfinished_runs(name):
                self.journal.request_cancel(run.run_id)
        self.offer_flow(tenant_id, flow_id)
        with tolerated(f"flow {flow_id}"):
            self.journal.delete_flow(name)

    def publish_tenant(self, tenant_id: str) -> None:
        """Bring what the platform knows of a tenant into agreement."""
        with self.target.held(), self.database.transaction(writing=False) as session:
            tenant = session.get(Tenant, tenant_id)
            if tenant is None:
                self.target.remove_tenant(tenant_id)
                return
            variables = {variable.key: variable.value for variable in session.scalars(Variable.of(tenant))}
            sealed = {secret.name: secret.sealed for secret in session.scalars(Secret.of(tenant))}
            tokens = session.scalars(ApiToken.of(tenant).order_by(ApiToken.id))
            may_post = [token.digest for token in tokens if token.may_post_events]
            self.target.put_tenant(make_tenant_record(tenant, variables, sealed, may_post))

    def offer_flow(self, tenant_id: str, flow_id: str) -> Deployment | None:
        """As `publish_flow`, for who has committed already: what cannot be done now, the next pass does. None too
        where it could not be done."""
        with tolerated(f"flow {flow_id}"):
            return self.publish_flow(tenant_id, flow_id)
        return None

    def offer_flows(self, tenant_id: str, flow_ids: Iterable[str]) -> None:
        """As `offer_flow`, for several."""
        for flow_id in flow_ids:
            self.offer_flow(tenant_id, flow_id)

    def offer_tenant(self, tenant_id: str) -> None:
        """As `publish_tenant`, for who has committed already: what cannot be done now, the next pass does."""
        with tolerated(f"tenant {tenant_id}"):
            self.publish_tenant(tenant_id)

    def agrees(self, deployed: Deployment | None, tenant: Tenant, flow: Flow, digest: str, mark: str) -> bool:
        """Whether a flow is deployed as the database says, as far as that can be told without reading its text. One
        with older versions is looked at closely: their runs may have ended."""
        return (
            deployed is not None
            and len(deployed.versions) == 1
            and (deployed.current.number, deployed.current.digest) == (flow.current_version, digest)
            and (deployed.name, deployed.slug, deployed.active) == (flow.name, flow.slug, flow.active)
            and (deployed.tenant_id, deployed.tenant_slug, deployed.max_scale)
            == (tenant.id, tenant.slug, tenant.max_pods)
            and (deployed.idle_seconds, deployed.timeout_seconds)
            == (self.settings.idle_seconds, self.settings.timeout_seconds)
            and (deployed.min_scale, deployed.rollout) == (flow.min_scale, None)
            and flow.rollout is None
            and (bool(deployed.current.image) or not self.target.has_images)
            and deployed.stock == mark
            and self.target.has_texts(deployed)
        )

    def reconcile(self) -> None:
        """Bring everything into agreement, one flow at a time. What cannot be done now is logged and tried again with
        the next pass."""
        deployed = self.target.deployments()
        doubtful = {flow_id: found.tenant_id if found else "" for flow_id, found in deployed.items()}
        with self.database.transaction(writing=False) as session:
            tenants = session.scalars(select(Tenant)).all()
            for tenant in tenants:
                mark = look_into(session, self.target.layout, tenant).mark
                for flow, digest in session.execute(Flow.beside(Flow.of(tenant), FlowVersion.digest)):
                    if self.agrees(deployed.get(flow.id), tenant, flow, digest, mark):
                        del doubtful[flow.id]
                    else:
                        doubtful[flow.id] = tenant.id
        known = {tenant.id for tenant in tenants}
        for tenant_id in sorted(known | set(self.target.tenants())):
            self.offer_tenant(tenant_id)
        if self.target.has_images:
            doubtful |= self.outdated()
        for flow_id, tenant_id in doubtful.items():
            self.offer_flow(tenant_id, flow_id)

    def outdated(self) -> dict[str, str]:
        """Flows whose image is on another engine than that of today, and their tenants."""
        from intellyhub_control_plane.builds.needs import outdated

        with self.database.transaction(writing=False) as session:
            return {flow_id: tenant_id for tenant_id, flow_id in outdated(session, self.settings.engine_image)}


@contextmanager
def tolerated(subject: str) -> Iterator[None]:
    """A fault of one must not keep the others from being published."""
    try:
        yield
    except (OSError, EngineError) as fault:
        LOG.warning("%s could not be published, and will be tried again: %s", subject, fault)
