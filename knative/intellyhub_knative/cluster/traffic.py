"""Which revision gets which part of a flow's requests. Pure.

The newest revision gets all of them as soon as it is ready: until then Knative leaves the traffic where it is. Versions
whose runs have not ended stay reachable by their tag, at no part of the traffic, which also keeps them from being
collected. While a rollout lasts, the newest one gets its percentage and the stable one the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from intellyhub_knative.cluster.readiness import Revision
from intellyhub_knative.manifests.names import tag_of
from intellyhub_knative.platform.deployments import Deployment

__all__ = ["missing_versions", "plan_traffic"]

Target = dict[str, Any]


def plan_traffic(
    deployment: Deployment,
    revisions: Sequence[Revision],
    *,
    percent: int = 100,
    routed: Mapping[str, int] | None = None,
) -> tuple[Target, ...]:
    """The `traffic` block of a Service, whose percentages sum up to 100. `revisions` newest first; `percent` is the
    current version's part; `routed` says which revisions get requests now."""
    current = deployment.current.number
    stable = None
    if deployment.rollout is not None and percent < 100:
        stable = newest_of(deployment.rollout.stable, revisions)
    older = [
        (version.number, found)
        for version in deployment.versions[1:]
        if (found := newest_of(version.number, revisions)) is not None
    ]
    front = front_targets(current, revisions, percent, stable, routed or {})
    if older:  # whoever has runs in several versions is asked by version
        front[0]["tag"] = tag_of(current)
    pinned = [
        {"revisionName": found.name, "percent": 0, "tag": tag_of(number)}
        for number, found in older
        if stable is None or found.name != stable.name
    ]
    return (*front, *pinned)


def front_targets(
    current: int, revisions: Sequence[Revision], percent: int, stable: Revision | None, routed: Mapping[str, int]
) -> list[Target]:
    """Those that get requests."""
    if stable is not None:
        candidate: Target = {"latestRevision": True, "percent": percent, "tag": tag_of(current)}
        rest: Target = {"revisionName": stable.name, "percent": 100 - percent, "tag": tag_of(stable.version)}
        return [candidate, rest]
    way_back = find_way_back(current, revisions, routed)
    if way_back is not None:
        return [{"revisionName": way_back.name, "percent": 100}]
    return [{"latestRevision": True, "percent": 100}]


def find_way_back(current: int, revisions: Sequence[Revision], routed: Mapping[str, int]) -> Revision | None:
    """A ready revision of the current version that can take over at once from another version, while the newest
    revision is not ready: that is what makes a rollback quick."""
    if not revisions or (revisions[0].ready and revisions[0].version == current):
        return None
    versions = {revision.name: revision.version for revision in revisions}
    if all(versions.get(name) == current for name in routed):
        return None
    return next((each for each in revisions if each.version == current and each.ready), None)


def newest_of(number: int, revisions: Sequence[Revision]) -> Revision | None:
    """The newest ready revision of a version, else the newest."""
    of_version = [revision for revision in revisions if revision.version == number]
    return next((each for each in of_version if each.ready), next(iter(of_version), None))


def missing_versions(deployment: Deployment, revisions: Sequence[Revision]) -> list[int]:
    """Older versions that have no revision, oldest first: the cluster is new, or somebody deleted them."""
    known = {revision.version for revision in revisions}
    return sorted(version.number for version in deployment.versions[1:] if version.number not in known)
