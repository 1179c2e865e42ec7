"""Services as the API shows them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from intellyhub_control_plane.models.services import Location, Service, ServiceStatus
from intellyhub_control_plane.shapes.services import Service as ServiceShape
from intellyhub_knative.platform.services import PLACEHOLDER, SECRETIVE

__all__ = ["masked", "registry_entry", "show_service"]

MASK = "***"
PASSWORD = re.compile(r"(?<=//)(?P<user>[^/@:\s]*):[^/@\s]+@")
"""Of an address."""


def show_service(service: Service, flows: Iterable[str]) -> ServiceShape:
    """A service; what looks like a secret that was written out is not shown again."""
    return ServiceShape(
        id=service.id,
        name=service.name,
        description=service.description,
        service_type=service.type,
        location=Location(service.location),
        config=masked(service.config),
        connection_info=masked(service.connection),
        tags=service.tags,
        cost_estimate=service.cost_estimate,
        status=ServiceStatus(service.status),
        message=service.message,
        checked_at=service.checked_at,
        warnings=list(warnings_of(service)),
        flows=sorted(flows),
        created_at=service.created_at,
        updated_at=service.updated_at,
    )


def masked(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings without values that look like secrets; placeholders may be seen."""
    return {key: mask_value(key, value) for key, value in settings.items()}


def mask_value(key: str, value: Any) -> Any:
    """A value as it may be seen. Lists of `{name, value}` are environments of containers."""
    if isinstance(value, dict):
        return masked(value)
    if isinstance(value, list):
        return [mask_entry(each) for each in value]
    if not isinstance(value, str) or PLACEHOLDER.search(value):
        return value
    return MASK if value and SECRETIVE.search(key) else PASSWORD.sub(rf"\g<user>:{MASK}@", value)


def mask_entry(entry: Any) -> Any:
    """One of a list."""
    if not isinstance(entry, dict):
        return entry
    return {
        **masked(entry),
        **({"value": mask_value(str(entry.get("name")), entry["value"])} if "value" in entry else {}),
    }


def warnings_of(service: Service) -> Iterator[str]:
    """What a person should look at."""
    for key, value in service.connection.items():
        if mask_value(key, value) != value:
            yield f"connection.{key} is written out: keep it as a secret, and write its name in braces here"
    if service.location == Location.LOCAL and service.config.get("image"):
        yield "images are not deployed by this installation: start it yourself, and say in `connection` where it is"


def registry_entry(service: Service) -> dict[str, Any]:
    """As `microservices.yaml` has it."""
    return {
        "id": service.id,
        "name": service.name,
        "description": service.description,
        "type": service.type,
        "location": service.location,
        "config": masked(service.config),
        "connection": masked(service.connection),
        "tags": list(service.tags),
        "cost_estimate": service.cost_estimate,
    }
