"""What services give a flow by name: as its plugins ask, and as authors of flows write it, such as `REDIS_URL`."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from intellyhub_control_plane.plugins.needs import ServiceNeed
from intellyhub_control_plane.services.facts import ServiceFacts, same_type
from intellyhub_control_plane.services.matching import Match, match_need
from intellyhub_engine.frozen import dataclass

__all__ = ["Injection", "inject"]

GENERIC = "generic"
WORD = re.compile(r"[A-Z][A-Z0-9_]{2,127}")
NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")
LONGEST = 4096


@dataclass(frozen=True, kw_only=True)
class Injection:
    """Names and texts, whose placeholders are filled where a worker is told; and what is wrong, in words."""

    values: Mapping[str, str]
    services: tuple[str, ...]
    """The ids of those that are used."""
    problems: tuple[str, ...] = ()


def inject(
    needs: Sequence[ServiceNeed],
    services: Sequence[ServiceFacts],
    texts: Iterable[str],
    own: Collection[str] = (),
) -> Injection:
    """What a flow with these texts gets. Only names that the flow mentions are given beside those its plugins need.
    `own`: the tenant's variables and secrets, which come before."""
    values: dict[str, str] = {}
    used: dict[str, None] = {}
    problems: dict[str, None] = {}
    for match in (match_need(need, services) for need in needs):
        if match.problem is not None and match.need.required:
            problems[match.problem] = None
        if match.service is not None:
            used[match.service.id] = None
            given = dict(asked_for(match, match.service))
            values |= given
            problems |= dict.fromkeys(hidden(match.service, given, own))
    wanted = {word for text in texts for word in WORD.findall(text)} if services else set()
    for service in sorted(services, key=lambda each: (each.healthy is False, each.id)):
        for name, value in conventional(service, services):
            if name in wanted and name not in values:
                values[name] = value
                used[service.id] = None
    return Injection(values=values, services=tuple(used), problems=tuple(problems))


def hidden(service: ServiceFacts, given: Mapping[str, str], own: Collection[str]) -> Iterator[str]:
    """What does not arrive, because the tenant has something else by that name."""
    for name, value in given.items():
        if name in own and value != f"{{{name}}}":
            yield f"your own variable or secret {name!r} is used, not what the service {service.id!r} gives"


def asked_for(match: Match, service: ServiceFacts) -> Iterator[tuple[str, str]]:
    """As a manifest's `connection_vars` say."""
    for key, name in match.need.connection_vars.items():
        value = service.connection.get(key)
        if value not in (None, "") and NAME.match(name):
            yield name, str(value)[:LONGEST]


def conventional(service: ServiceFacts, services: Sequence[ServiceFacts]) -> Iterator[tuple[str, str]]:
    """`<ID>_<KEY>`, and where it is no generic one `<TYPE>_<KEY>`, in capitals."""
    heads = [service.id] if same_type(service.type) == GENERIC else [service.id, service.type]
    for head in heads:
        for key, value in service.connection.items():
            if isinstance(value, str | int | float) and not isinstance(value, bool) and value != "":
                yield re.sub(r"[^A-Za-z0-9]+", "_", f"{head}_{key}").upper(), str(value)[:LONGEST]
