"""One flow brought into agreement: what its pods need, its Service, and when that is ready, what sends events to it.

A pass does what can be done now and says when to come again; it never waits. Everything in it may be repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from intellyhub_engine.errors import EngineError
from intellyhub_engine.frozen import dataclass
from intellyhub_knative.cluster.applier import Applier
from intellyhub_knative.cluster.client import ClusterClient, Object
from intellyhub_knative.cluster.errors import ClusterError, Invalid
from intellyhub_knative.cluster.flow_status import Events, Found, make_flow_status
from intellyhub_knative.cluster.kinds import (
    REVISION,
    SECRET,
    SERVICE,
    SERVICE_ACCOUNT,
    SOURCES,
    TRIGGER,
    kind_of,
)
from intellyhub_knative.cluster.pods import find_trouble
from intellyhub_knative.cluster.readiness import (
    Readiness,
    Revision,
    State,
    is_ready,
    read_readiness,
    read_revisions,
)
from intellyhub_knative.cluster.reasons import VAGUE, Trouble
from intellyhub_knative.cluster.rollout import Phase, Progress, Tally, advance, read_progress
from intellyhub_knative.cluster.statuses import FLOW, StatusKeeper
from intellyhub_knative.cluster.tallies import Tallies
from intellyhub_knative.cluster.traffic import missing_versions, plan_traffic
from intellyhub_knative.manifests.flow import make_flow_objects, make_service
from intellyhub_knative.manifests.names import FLOW_ID, MANAGED_BY, MANAGER, names_of, selector, tag_of
from intellyhub_knative.manifests.settings import ClusterSettings
from intellyhub_knative.manifests.sources import make_sources
from intellyhub_knative.manifests.triggers import make_triggers
from intellyhub_knative.platform.deployments import Deployment, Version
from intellyhub_knative.platform.desired import Desired
from intellyhub_knative.platform.keys import Keys
from intellyhub_knative.platform.tenants import Tenant

__all__ = ["FlowDeployer", "Rhythm"]


@dataclass(frozen=True, kw_only=True)
class Rhythm:
    """How often a flow that is not as it should be is looked at again, in seconds."""

    soon: float = 0.5
    """What is made in a moment."""
    deploying: float = 2.0
    failing: float = 5.0
    failed: float = 30.0
    rolling_out: float = 5.0


class FlowDeployer:
    """Brings flows into agreement, each on its own."""

    def __init__(
        self,
        *,
        client: ClusterClient,
        applier: Applier,
        settings: ClusterSettings,
        keys: Keys,
        desired: Desired,
        statuses: StatusKeeper,
        tallies: Tallies,
        rhythm: Rhythm | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client, self._applier = client, applier
        self._settings, self._keys = settings, keys
        self._desired, self._statuses, self._tallies = desired, statuses, tallies
        self._rhythm, self._now = rhythm or Rhythm(), now

    async def bring(self, flow_id: str) -> float | None:
        """One pass over a flow whose tenant's namespace stands; the seconds until the next one, or None. Raises
        `ClusterError` for what may pass; what is wrong with the flow itself is in its status."""
        deployment = self._desired.deployments.get(flow_id)
        tenant = self._desired.tenants.get(deployment.tenant_id) if deployment is not None else None
        if deployment is None or tenant is None:
            await self._statuses.remove(FLOW, flow_id)
            return None
        standing = what_can_stand(deployment)
        if standing is None:
            await self._tell(deployment, Found(readiness=Readiness(state=State.BUILDING, serves=False)))
            return None
        awake = flow_id not in self._desired.asleep
        try:
            wanted = standing if awake else replace(standing, min_scale=0)
            if standing is not deployment:
                return await self._hold(deployment, wanted, tenant, awake)
            return await self._bring(wanted, tenant, awake)
        except ClusterError as fault:
            if fault.passing:
                raise
            await self._tell_fault(deployment, fault)
            if isinstance(fault, Invalid):
                return self._rhythm.failed
            raise
        except EngineError as fault:  # a secret that cannot be read, a filter that is none
            await self._tell_fault(deployment, fault)
            return self._rhythm.failed

    async def _hold(self, deployment: Deployment, standing: Deployment, tenant: Tenant, awake: bool) -> float | None:
        """The current version is being built, or could not be: the one before it goes on as it is, with the variables
        and secrets of today, and has a tag, as it is not the current one any more. So do those that bring it events."""
        service = await self._prepare(standing, tenant)
        revisions = await self._revisions(standing)
        readiness = read_readiness(service, revisions) if service is not None else NOT_YET
        first, *rest = plan_traffic(standing, revisions, routed=readiness.routed)
        traffic = [{"tag": tag_of(standing.current.number), **first}, *rest]
        manifest = make_service(standing, standing.current, tenant, self._settings, traffic)
        made = await self._applier.apply(manifest)
        if made is not None:
            readiness = read_readiness(made, revisions)
        events = await self._look_at_events(standing, keep=awake)
        found = Found(
            readiness=replace(readiness, state=State.BUILDING),
            revisions=revisions,
            events=events,
            awake=awake,
        )
        await self._tell(deployment, found)
        return None if readiness.state is State.READY else self._rhythm.deploying

    async def _prepare(self, deployment: Deployment, tenant: Tenant) -> Object | None:
        """What the Service's pods need; the Service, where there is one."""
        names = names_of(deployment)
        service = await self._client.get(SERVICE, names.service, names.namespace)
        if service is None:
            self._applier.forget(SERVICE, names.namespace, names.service)
        elif not is_ours(service, deployment):
            raise Invalid(409, "Foreign", f"the Service {names.service} in {names.namespace} belongs to somebody else")
        for manifest in make_flow_objects(deployment, tenant, self._keys, owner=service):
            await self._applier.apply(manifest)
        return service

    async def _bring(self, deployment: Deployment, tenant: Tenant, awake: bool) -> float | None:
        service = await self._prepare(deployment, tenant)
        revisions = await self._revisions(deployment)
        missing = self._next_missing(deployment, revisions)
        if missing is not None:
            await self._remake(deployment, missing, tenant, service, revisions)
            return self._rhythm.soon
        readiness = read_readiness(service, revisions) if service is not None else NOT_YET
        progress = await self._advance(deployment, readiness)
        service, readiness = await self._route(deployment, tenant, service, revisions, readiness, progress)
        if readiness.latest and is_unexplained(readiness):
            readiness = await self._look_closer(deployment, readiness)
        events = await self._bring_events(deployment, service, readiness, awake)
        found = Found(readiness=readiness, revisions=revisions, progress=progress, events=events, awake=awake)
        await self._tell(deployment, found)
        return self._next(found)

    async def leave(self, deployment: Deployment) -> None:
        """Take away what a flow had that no longer is: what its Service owns goes with it, but there may never have
        been one. The Service itself, its sources and its Trigger go with the tenant's pass."""
        names = names_of(deployment)
        for name in (names.keys, names.variables, names.secrets):
            await self._applier.delete(SECRET, name, names.namespace)
        for name in (names.service, names.listener):
            await self._applier.delete(SERVICE_ACCOUNT, name, names.namespace)

    async def _revisions(self, deployment: Deployment) -> list[Revision]:
        names = names_of(deployment)
        listed = await self._client.list(
            REVISION, names.namespace, labels=f"serving.knative.dev/service={names.service}"
        )
        return read_revisions(listed.items)

    def _next_missing(self, deployment: Deployment, revisions: Sequence[Revision]) -> Version | None:
        """The oldest version with unfinished runs that has no revision, and an image to make one of."""
        missing = missing_versions(deployment, revisions)
        return next((each for each in reversed(deployment.versions) if each.number in missing and each.image), None)

    async def _remake(
        self,
        deployment: Deployment,
        version: Version,
        tenant: Tenant,
        service: Object | None,
        revisions: Sequence[Revision],
    ) -> None:
        """Make a revision of an older version again. Requests stay with whom they are, if there is anyone."""
        routed = read_readiness(service, revisions).routed if service is not None else {}
        traffic = [{"revisionName": name, "percent": percent} for name, percent in routed.items()]
        manifest = make_service(deployment, version, tenant, self._settings, *([traffic] if traffic else []))
        await self._applier.apply(manifest)

    async def _route(
        self,
        deployment: Deployment,
        tenant: Tenant,
        service: Object | None,
        revisions: Sequence[Revision],
        readiness: Readiness,
        progress: Progress | None,
    ) -> tuple[Object | None, Readiness]:
        """Apply the Service with its traffic; it and how it is then."""
        percent = 100 if progress is None or progress.phase is Phase.DONE else progress.percent
        traffic = plan_traffic(deployment, revisions, percent=percent, routed=readiness.routed)
        manifest = make_service(deployment, deployment.current, tenant, self._settings, traffic)
        made = await self._applier.apply(manifest)
        if made is None:
            return service, readiness
        return made, read_readiness(made, revisions)

    async def _look_closer(self, deployment: Deployment, readiness: Readiness) -> Readiness:
        """Ask the pods of the newest revision, which know more than it does; when they are gone, what they said."""
        trouble = await find_trouble(self._client, names_of(deployment).namespace, readiness.latest)
        if readiness.state is State.DEPLOYING:
            return replace(readiness, state=State.FAILING, trouble=trouble) if trouble is not None else readiness
        before = self._statuses.known(FLOW, deployment.flow_id)
        if trouble is None and before.get("version") == deployment.current.number and before.get("reason"):
            trouble = Trouble(reason=str(before["reason"]), message=str(before["trouble"]))
        return replace(readiness, trouble=trouble or readiness.trouble)

    async def _advance(self, deployment: Deployment, readiness: Readiness) -> Progress | None:
        known = read_progress(self._statuses.known(FLOW, deployment.flow_id).get("rollout"))
        if deployment.rollout is None:
            return None
        if readiness.state is State.FAILED and is_unexplained(readiness):
            readiness = await self._look_closer(deployment, readiness)
        running = known is not None and known.phase is Phase.RUNNING and known.began_at == deployment.rollout.began_at
        tally = await self._tallies.of(deployment) if running else Tally()
        return advance(deployment, known, readiness, tally, self._now())

    async def _bring_events(
        self, deployment: Deployment, service: Object | None, readiness: Readiness, awake: bool
    ) -> Events:
        """What sends events: only to a Service that is ready for them, and to one that is awake. The Trigger of one
        that sleeps goes with its tenant's pass, where Triggers are deleted one at a time."""
        namespace, labels = names_of(deployment).namespace, selector(flow_id=deployment.flow_id)
        triggers = make_triggers(deployment, self._settings) if awake else []
        sources = make_sources(deployment, self._settings, self._keys, owner=service) if awake else []
        if readiness.state is State.READY:
            for manifest in (*triggers, *sources):
                await self._applier.apply(manifest)
        keep = {(each["kind"], each["metadata"]["name"]) for each in sources}
        found = [item for kind in SOURCES for item in (await self._client.list(kind, namespace, labels=labels)).items]
        for item in found:
            about = item["metadata"]
            if (item["kind"], about["name"]) not in keep:
                await self._applier.delete(kind_of(item), about["name"], namespace, uid=about["uid"])
        kept = [item for item in found if (item["kind"], item["metadata"]["name"]) in keep]
        standing = (await self._client.list(TRIGGER, namespace, labels=labels)).items
        return Events(
            triggers=standing,
            sources=kept,
            current=bool(triggers)
            and [each["spec"].get("filters") for each in standing] == [each["spec"]["filters"] for each in triggers],
        )

    async def _look_at_events(self, deployment: Deployment, *, keep: bool) -> Events:
        """What sends events now, to whatever version; sources go where they are not to be kept."""
        namespace, labels = names_of(deployment).namespace, selector(flow_id=deployment.flow_id)
        found = [item for kind in SOURCES for item in (await self._client.list(kind, namespace, labels=labels)).items]
        for item in () if keep else found:
            about = item["metadata"]
            await self._applier.delete(kind_of(item), about["name"], namespace, uid=about["uid"])
        standing = (await self._client.list(TRIGGER, namespace, labels=labels)).items
        return Events(triggers=standing, sources=found if keep else [], current=False)

    def _next(self, found: Found) -> float | None:
        state, progress = found.readiness.state, found.progress
        waits = {
            State.DEPLOYING: self._rhythm.deploying,
            State.FAILING: self._rhythm.failing,
            State.FAILED: self._rhythm.failed,
        }
        if state in waits:
            return waits[state]
        if progress is not None and progress.phase is Phase.RUNNING:
            return self._rhythm.rolling_out
        return None if all(map(is_ready, (*found.events.triggers, *found.events.sources))) else self._rhythm.deploying

    async def _tell(self, deployment: Deployment, found: Found) -> None:
        document = make_flow_status(deployment, found)
        await self._statuses.write(FLOW, deployment.flow_id, document, self._now())

    async def _tell_fault(self, deployment: Deployment, fault: Exception) -> None:
        """What the cluster refuses, or what cannot even be asked of it. What stood before goes on."""
        before = self._statuses.known(FLOW, deployment.flow_id)
        trouble = Trouble(reason=type(fault).__name__, message=str(fault))
        readiness = Readiness(state=State.FAILED, serves=bool(before.get("serves")), trouble=trouble)
        progress = read_progress(before.get("rollout"))
        await self._tell(deployment, Found(readiness=readiness, progress=progress))


NOT_YET = Readiness(state=State.DEPLOYING, serves=False)


def what_can_stand(deployment: Deployment) -> Deployment | None:
    """The flow itself; without its newest versions, as long as those have no image; None where none has one."""
    if deployment.current.image:
        return deployment
    built = tuple(version for version in deployment.versions if version.image)
    return replace(deployment, versions=built, rollout=None) if built else None


def is_unexplained(readiness: Readiness) -> bool:
    """Whether the cluster does not say yet why a version does not start, or will never say."""
    vague = readiness.trouble is not None and readiness.trouble.reason == VAGUE
    return readiness.state is State.DEPLOYING or (readiness.state is State.FAILED and vague)


def is_ours(service: Mapping[str, Any], deployment: Deployment) -> bool:
    """Whether a Service of that name is this flow's: names are made of the first digits of ids."""
    labels = service["metadata"].get("labels") or {}
    return labels.get(MANAGED_BY) == MANAGER and labels.get(FLOW_ID) == deployment.flow_id
