"""Which of a tenant's services meets what a plugin needs."""

from __future__ import annotations

from collections.abc import Sequence

from packaging.version import InvalidVersion, Version

from intellyhub_control_plane.plugins.needs import ServiceNeed
from intellyhub_control_plane.services.facts import ServiceFacts, same_type
from intellyhub_engine.frozen import dataclass

__all__ = ["Match", "match_need"]


@dataclass(frozen=True, kw_only=True)
class Match:
    """The answer to a need: a service, or why there is none; or a service, and what is wrong with it."""

    need: ServiceNeed
    service: ServiceFacts | None
    problem: str | None = None
    """In words, for the author."""


def match_need(need: ServiceNeed, services: Sequence[ServiceFacts]) -> Match:
    """The service of the wanted type that is best: one that is not known to be down, then one in the preferred place,
    then in the places to fall back to in their order."""
    wanted = same_type(need.type)
    of_type = [service for service in services if same_type(service.type) == wanted]
    if not of_type:
        return Match(need=need, service=None, problem=f"no service of the type {need.type!r} is registered")
    new_enough = [service for service in of_type if is_new_enough(service, need.min_version)]
    if not new_enough:
        found = ", ".join(f"{service.id} has {service.version}" for service in of_type)
        return Match(
            need=need,
            service=None,
            problem=f"a service of the type {need.type!r} from version {need.min_version} on is needed; {found}",
        )
    places = [place for place in (need.prefer, *need.fallback) if place]
    best = min(new_enough, key=lambda each: (each.healthy is False, rank(each.location, places), each.id))
    if best.healthy is False:
        return Match(need=need, service=best, problem=f"the service {best.id!r} does not answer: {best.message}")
    missing = [key for key in need.connection_vars if best.connection.get(key) in (None, "")]
    if missing:
        keys = ", ".join(f"connection.{key}" for key in missing)
        return Match(need=need, service=best, problem=f"the service {best.id!r} says nothing of {keys}")
    return Match(need=need, service=best)


def rank(location: str, places: Sequence[str]) -> int:
    """How welcome a place is; one that nobody named comes last."""
    return places.index(location) if location in places else len(places)


def is_new_enough(service: ServiceFacts, minimum: str | None) -> bool:
    """Whether its version will do; one that is not known may."""
    if minimum is None or service.version is None:
        return True
    try:
        return Version(service.version) >= Version(minimum)
    except InvalidVersion:
        return True
