"""How a flow's Service is, read from its conditions. Pure.

`Ready` counts only where the controller has seen the newest generation. Whether requests are served is another
question, and `RoutesReady` answers it: a Service that is pinned to a good revision serves while a newer one fails.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from enum import StrEnum
from typing import Any

from intellyhub_engine.frozen import dataclass
from intellyhub_knative.cluster.reasons import Trouble, explain
from intellyhub_knative.manifests.names import VERSION

__all__ = ["Readiness", "Revision", "State", "conditions_of", "is_ready", "is_seen", "read_readiness", "read_revisions"]


class State(StrEnum):
    """How far the newest version is."""

    BUILDING = "building"  # it has no image yet
    READY = "ready"
    DEPLOYING = "deploying"  # it takes its time
    FAILING = "failing"  # it will not get ready as it is, but the cluster still tries
    FAILED = "failed"  # the cluster has given up


@dataclass(frozen=True, kw_only=True)
class Revision:
    """A revision of a Service."""

    name: str
    version: int
    """The number of the flow's version; 0 where nobody wrote it."""
    generation: int
    """Of the Service's configuration: which of two is newer."""
    ready: bool | None
    """None: not yet known."""
    trouble: Trouble | None


@dataclass(frozen=True, kw_only=True)
class Readiness:
    """How a flow's Service is."""

    state: State
    serves: bool
    """Whether requests are answered, by whichever version."""
    trouble: Trouble | None = None
    latest: str = ""
    """The newest revision's name."""
    routed: Mapping[str, int] = field(default_factory=dict)
    """Percent of the requests, by revision, as they are routed now."""


def read_readiness(service: Mapping[str, Any], revisions: Sequence[Revision]) -> Readiness:
    """What the Service and its newest revision say."""
    status, conditions = service.get("status") or {}, conditions_of(service)
    latest = str(status.get("latestCreatedRevisionName") or "")
    newest = next((revision for revision in revisions if revision.name == latest), None)
    serves = conditions.get("RoutesReady", {}).get("status") == "True"
    routed = {
        str(target.get("revisionName")): int(target.get("percent") or 0)
        for target in status.get("traffic") or ()
        if target.get("percent")
    }

    def found(state: State, trouble: Trouble | None = None) -> Readiness:
        return Readiness(
            state=state, serves=serves or state is State.READY, trouble=trouble, latest=latest, routed=routed
        )

    if not is_seen(service):
        return found(State.DEPLOYING)
    if conditions.get("Ready", {}).get("status") == "True":
        return found(State.READY)
    if newest is not None and newest.ready is False:
        return found(State.FAILED, newest.trouble)
    # Only the revision itself says why it failed. Where it is not in the list yet, or works again by now, one of the
    # two readings is older than the other.
    is_blamed = conditions.get("ConfigurationsReady", {}).get("status") == "False"
    if latest and (newest is None or (newest.ready and is_blamed)):
        return found(State.DEPLOYING)
    failed = next((each for each in conditions.values() if each.get("status") == "False"), None)
    if failed is not None and (newest is None or newest.ready):
        return found(State.FAILED, explain(str(failed.get("reason", "")), str(failed.get("message", ""))))
    return found(State.DEPLOYING)


def read_revisions(items: Iterable[Mapping[str, Any]]) -> list[Revision]:
    """The revisions of a Service, newest first."""
    return sorted(map(read_revision, items), key=lambda revision: revision.generation, reverse=True)


def read_revision(item: Mapping[str, Any]) -> Revision:
    labels = item["metadata"].get("labels") or {}
    ready = conditions_of(item).get("Ready", {})
    known = {"True": True, "False": False}.get(str(ready.get("status")))
    fault = explain(str(ready.get("reason", "")), str(ready.get("message", ""))) if known is False else None
    return Revision(
        name=str(item["metadata"]["name"]),
        version=number_of(labels.get(VERSION)),
        generation=number_of(labels.get("serving.knative.dev/configurationGeneration")),
        ready=known,
        trouble=fault,
    )


def number_of(text: object) -> int:
    return int(text) if isinstance(text, str) and text.isdecimal() else 0


def is_seen(item: Mapping[str, Any]) -> bool:
    """Whether the controller speaks of the object as it is now."""
    observed = (item.get("status") or {}).get("observedGeneration")
    return observed is not None and observed == item["metadata"].get("generation")


def is_ready(item: Mapping[str, Any]) -> bool:
    """Whether an object works as it is now."""
    return is_seen(item) and conditions_of(item).get("Ready", {}).get("status") == "True"


def conditions_of(item: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Conditions by type."""
    return {str(each.get("type")): each for each in (item.get("status") or {}).get("conditions") or ()}
