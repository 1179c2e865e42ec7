"""Services that flows use: databases, caches, queues, APIs."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AliasChoices, ConfigDict, Field

from intellyhub_control_plane.models.services import Location, ServiceStatus
from intellyhub_control_plane.shapes.shape import Answer, Moment, Page, PageQuery, Request, Shape, Text

__all__ = [
    "ExportQuery",
    "ImportServices",
    "ImportedServices",
    "RegisterService",
    "ScaleService",
    "Service",
    "ServiceCheck",
    "ServiceCheckList",
    "ServiceList",
    "ServiceLogQuery",
    "ServicePath",
    "ServiceQuery",
    "ServiceStats",
    "UpdateService",
]

MOST_KEYS = 100
Name = Annotated[Text, Field(min_length=1, max_length=120)]
Id = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", description="Made from the name.")]
Type = Annotated[Text, Field(min_length=1, max_length=63, description="neo4j, redis, postgresql, ..., generic")]
Settings = Annotated[dict[str, Any], Field(max_length=MOST_KEYS)]
Tags = Annotated[list[Annotated[Text, Field(max_length=60)]], Field(max_length=50)]
Description = Annotated[Text, Field(max_length=2000)]
Cost = Annotated[Text, Field(max_length=120)]


class Spelled(Request):
    """`type` and `connection` are the names of the file, `service_type` and `connection_info` those of the API."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class RegisterService(Spelled):
    """A service to register."""

    id: Id | None = None
    name: Name
    description: Description = ""
    service_type: Type = Field(validation_alias=AliasChoices("service_type", "type"))
    location: Location = Location.REMOTE
    config: Settings = Field(default_factory=dict)
    connection_info: Settings = Field(
        default_factory=dict,
        validation_alias=AliasChoices("connection_info", "connection"),
        description="How it is reached; `{NAME}` in a text stands for a secret or variable.",
    )
    tags: Tags = Field(default_factory=list)
    cost_estimate: Cost = ""


class UpdateService(Spelled):
    """What is to change."""

    name: Name | None = None
    description: Description | None = None
    service_type: Type | None = Field(default=None, validation_alias=AliasChoices("service_type", "type"))
    location: Location | None = None
    config: Settings | None = None
    connection_info: Settings | None = Field(
        default=None, validation_alias=AliasChoices("connection_info", "connection")
    )
    tags: Tags | None = None
    cost_estimate: Cost | None = None


class Service(Answer):
    """A registered service."""

    id: str
    name: str
    description: str
    service_type: str
    location: Location
    config: dict[str, Any]
    connection_info: dict[str, Any] = Field(
        description="As registered; values that look like written-out secrets are masked."
    )
    tags: list[str]
    cost_estimate: str
    status: ServiceStatus
    message: str = Field(description="What was found when it was looked at last.")
    checked_at: Moment | None
    warnings: list[str] = Field(description="What a person should look at.")
    flows: list[str] = Field(description="The slugs of the flows that get something of it.")
    created_at: Moment
    updated_at: Moment


class ServiceList(Page):
    """Services, by id."""

    items: list[Service]
    microservices: list[Service]
    total: int


class ServicePath(Request):
    """Which service."""

    service_id: Text


class ServiceQuery(PageQuery):
    """Which services."""

    location: Location | None = None
    service_type: Annotated[Text | None, Field(max_length=63)] = None


class ScaleService(Request):
    """How many."""

    replicas: Annotated[int, Field(ge=0, le=10)]


class ServiceLogQuery(Shape):
    """How much."""

    tail: Annotated[int, Field(ge=1, le=10_000)] = 100


class ServiceCheck(Answer):
    """One look at a service."""

    at: Moment
    status: ServiceStatus
    message: str
    milliseconds: int | None


class ServiceCheckList(Page):
    """Looks at a service, newest first."""

    items: list[ServiceCheck]
    checks: list[ServiceCheck]
    status: ServiceStatus


class ImportServices(Request):
    """A `microservices.yaml`."""

    yaml_content: Annotated[str, Field(max_length=1_000_000)]


class ImportedServices(Answer):
    """What came of it."""

    created: list[str]
    updated: list[str]
    total: int


class ExportQuery(Shape):
    """Which services."""

    location: Location | None = None


class ServiceStats(Answer):
    """Figures."""

    total: int
    by_location: dict[str, int]
    by_type: dict[str, int]
    by_status: dict[str, int]
