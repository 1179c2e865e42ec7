"""`/api/microservices`: databases, caches, queues and APIs that flows use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from flask import Response
from pydantic import ValidationError
from sqlalchemy import func, select

from intellyhub_control_plane.errors import NotOffered, RequestInvalid
from intellyhub_control_plane.models.flows import Flow
from intellyhub_control_plane.models.record import now
from intellyhub_control_plane.models.roles import Role
from intellyhub_control_plane.models.services import Service, ServiceCheck, ServiceStatus
from intellyhub_control_plane.present.services import masked, registry_entry, show_service
from intellyhub_control_plane.services.checks import Finding, look_at
from intellyhub_control_plane.services.documents import read_registry, write_registry
from intellyhub_control_plane.services.watching import fill_connection, outer_values
from intellyhub_control_plane.shapes.problems import FieldFault
from intellyhub_control_plane.shapes.services import (
    ExportQuery,
    ImportedServices,
    ImportServices,
    RegisterService,
    ScaleService,
    ServiceCheckList,
    ServiceList,
    ServiceLogQuery,
    ServicePath,
    ServiceQuery,
    ServiceStats,
    UpdateService,
)
from intellyhub_control_plane.shapes.services import Service as ServiceShape
from intellyhub_control_plane.shapes.services import ServiceCheck as CheckShape
from intellyhub_control_plane.shapes.shape import PageQuery
from intellyhub_control_plane.target.equipment import facts_of
from intellyhub_control_plane.web.area import Area, Reply
from intellyhub_control_plane.web.caller import Caller
from intellyhub_control_plane.web.paging import paginate
from intellyhub_control_plane.web.wording import word_fault
from intellyhub_engine.errors import InputInvalid

__all__ = ["services"]

NO_IMAGES = (
    "this installation runs on one machine and deploys no images: start {name!r} yourself, and say in its connection"
    " where it is; on a Knative cluster the platform does it"
)

services = Area("services", "Services that flows use")


@services.operation("GET", "/api/microservices", needs=Role.VIEWER, answers={200: ServiceList})
def list_services(caller: Caller, query: ServiceQuery) -> ServiceList:
    """List services."""
    matching = Service.matching(caller.tenant, query.location, query.service_type)
    page = paginate(caller.session, matching, (Service.id,), limit=query.limit, cursor=query.cursor, rising=True)
    total = caller.session.scalar(select(func.count()).select_from(matching.subquery())) or 0
    users = flows_by_service(caller, [service for (service,) in page.rows])
    items = [show_service(service, users[service.id]) for (service,) in page.rows]
    return ServiceList.of(items, page.next_cursor, total=total)


@services.operation("POST", "/api/microservices", needs=Role.ADMIN, answers={201: ServiceShape}, faults=(409,))
def register_service(caller: Caller, body: RegisterService) -> Reply:
    """Register a service. It is looked at once; how it is, its status says from then on."""
    service = Service.create(caller.session, caller.tenant, body.name, body.id)
    change(service, body.model_dump(exclude={"id"}))
    caller.session.flush()
    caller.audit("service.registered", service.id, type=service.type)
    return Reply(check_and_show(caller, service), 201, {"Location": f"/api/microservices/{service.id}"})


@services.operation("GET", "/api/microservices/stats", needs=Role.VIEWER, answers={200: ServiceStats})
def get_service_stats(caller: Caller) -> ServiceStats:
    """Count services."""
    found = caller.session.scalars(Service.of(caller.tenant)).all()
    return ServiceStats(
        total=len(found),
        by_location=dict(Counter(service.location for service in found)),
        by_type=dict(Counter(service.type for service in found)),
        by_status=dict(Counter(service.status for service in found)),
    )


@services.operation(
    "POST", "/api/microservices/yaml/import", needs=Role.ADMIN, answers={200: ImportedServices}, faults=(409,)
)
def import_services(caller: Caller, body: ImportServices) -> ImportedServices:
    """Register what a microservices.yaml lists; a service with a known id is changed. All or none."""
    try:
        entries = read_registry(body.yaml_content)
        wanted = [RegisterService.model_validate({"name": entry.get("id", ""), **entry}) for entry in entries]
    except InputInvalid as fault:
        raise RequestInvalid([FieldFault(location="body.yaml_content", message=str(fault))]) from fault
    except ValidationError as fault:
        raise RequestInvalid([explain(fault)]) from fault
    created: list[str] = []
    updated: list[str] = []
    for each in wanted:
        service = caller.session.scalar(Service.of(caller.tenant).where(Service.id == each.id))
        (created if service is None else updated).append(str(each.id))
        service = service or Service.create(caller.session, caller.tenant, each.name, each.id)
        change(service, each.model_dump(exclude={"id"}))
        caller.session.flush()
    caller.audit("services.imported", "", created=created, updated=updated)
    offer_flows(caller)
    return ImportedServices(created=created, updated=updated, total=len(wanted))


@services.operation("GET", "/api/microservices/yaml/export", needs=Role.VIEWER, answers={200: "application/yaml"})
def export_services(caller: Caller, query: ExportQuery) -> Response:
    """Write the services as a microservices.yaml; secrets that were written out are not in it."""
    found = caller.session.scalars(Service.matching(caller.tenant, query.location, None).order_by(Service.id))
    return Response(write_registry(map(registry_entry, found)), mimetype="application/yaml")


@services.operation(
    "GET", "/api/microservices/<service_id>", needs=Role.VIEWER, answers={200: ServiceShape}, faults=(404,)
)
def get_service(caller: Caller, path: ServicePath) -> ServiceShape:
    """Get a service."""
    service = Service.named(caller.session, caller.tenant, path.service_id)
    return show_service(service, flows_by_service(caller, [service])[service.id])


@services.operation(
    "PUT", "/api/microservices/<service_id>", needs=Role.ADMIN, answers={200: ServiceShape}, faults=(404,)
)
def update_service(caller: Caller, path: ServicePath, body: UpdateService) -> ServiceShape:
    """Change a service. It is looked at again."""
    service = Service.named(caller.session, caller.tenant, path.service_id)
    given = body.model_dump(exclude_unset=True, exclude_none=True)
    change(service, given)
    caller.audit("service.changed", service.id, changed=sorted(given))
    return check_and_show(caller, service)


@services.operation("DELETE", "/api/microservices/<service_id>", needs=Role.ADMIN, answers={204: None}, faults=(404,))
def delete_service(caller: Caller, path: ServicePath) -> None:
    """Forget a service. What it is stays where it runs."""
    service = Service.named(caller.session, caller.tenant, path.service_id)
    caller.session.delete(service)
    caller.audit("service.deleted", service.id)
    offer_flows(caller)


@services.operation(
    "GET", "/api/microservices/<service_id>/health", needs=Role.VIEWER, answers={200: ServiceCheckList}, faults=(404,)
)
def list_service_checks(caller: Caller, path: ServicePath, query: PageQuery) -> ServiceCheckList:
    """Tell how a service was, newest first."""
    service = Service.named(caller.session, caller.tenant, path.service_id)
    page = paginate(
        caller.session, ServiceCheck.about(service), (ServiceCheck.number,), limit=query.limit, cursor=query.cursor
    )
    items = [
        CheckShape(at=each.at, status=ServiceStatus(each.status), message=each.message, milliseconds=each.milliseconds)
        for (each,) in page.rows
    ]
    return ServiceCheckList.of(items, page.next_cursor, status=service.status)


@services.operation(
    "POST", "/api/microservices/<service_id>/health", needs=Role.OPERATOR, answers={200: ServiceShape}, faults=(404,)
)
def check_service(caller: Caller, path: ServicePath) -> ServiceShape:
    """Look at a service now."""
    return check_and_show(caller, Service.named(caller.session, caller.tenant, path.service_id))


@services.operation(
    "POST",
    "/api/microservices/<service_id>/restart",
    needs=Role.ADMIN,
    answers={202: ServiceShape},
    faults=(404, 501),
)
def restart_service(caller: Caller, path: ServicePath) -> ServiceShape:
    """Restart a service that the platform deploys."""
    raise not_offered(caller, path)


@services.operation(
    "POST", "/api/microservices/<service_id>/scale", needs=Role.ADMIN, answers={202: ServiceShape}, faults=(404, 501)
)
def scale_service(caller: Caller, path: ServicePath, body: ScaleService) -> ServiceShape:
    """Change how many of a service the platform runs."""
    raise not_offered(caller, path)


@services.operation(
    "GET", "/api/microservices/<service_id>/logs", needs=Role.VIEWER, answers={200: "text/plain"}, faults=(404, 501)
)
def get_service_logs(caller: Caller, path: ServicePath, query: ServiceLogQuery) -> Response:
    """Show what a service that the platform deploys says."""
    raise not_offered(caller, path)


def not_offered(caller: Caller, path: ServicePath) -> NotOffered:
    """Why it is not done. Raises `NotFound`."""
    service = Service.named(caller.session, caller.tenant, path.service_id)
    return NotOffered(NO_IMAGES.format(name=service.id))


def change(service: Service, given: Mapping[str, Any]) -> None:
    """Change what is given; what was masked in an answer and comes back so stays as it was."""
    names = {"service_type": "type", "connection_info": "connection"}
    for key, value in given.items():
        name = names.get(key, key)
        if isinstance(value, dict):
            before = getattr(service, name, None) or {}
            shown = masked(before)
            kept = {each: before[each] for each, text in value.items() if each in before and shown[each] == text}
            setattr(service, name, {**value, **kept})
        else:
            setattr(service, name, value)
    service.updated_at = now()


def check_and_show(caller: Caller, service: Service) -> ServiceShape:
    """Look at a service, keep what was found, deploy the flows that it concerns again. Ends the transaction."""
    finding = look(caller, service)
    service.note(caller.session, healthy=finding.healthy, message=finding.message, milliseconds=finding.milliseconds)
    offer_flows(caller)
    return show_service(service, flows_by_service(caller, [service])[service.id])


def look(caller: Caller, service: Service) -> Finding:
    """Look at it, with its placeholders filled."""
    facts = fill_connection(facts_of(service), *outer_values(caller.session, caller.tenant, caller.platform.keys))
    caller.session.commit()  # a look takes seconds, and holds up nobody
    return look_at(facts)


def offer_flows(caller: Caller) -> None:
    """Commit, and deploy all flows of the tenant again: whichever gets something of a service."""
    caller.session.commit()
    ids = list(caller.session.scalars(Flow.of(caller.tenant).with_only_columns(Flow.id)))
    caller.session.commit()
    caller.platform.publisher.offer_flows(caller.tenant.id, ids)


def flows_by_service(caller: Caller, wanted: list[Service]) -> dict[str, list[str]]:
    """The slugs of the flows that get a value of a service, as they are deployed."""
    target = caller.platform.publisher.target
    users: dict[str, list[str]] = {service.id: [] for service in wanted}
    for flow in caller.session.scalars(Flow.of(caller.tenant)) if wanted else ():
        deployed = target.deployment(flow.id)
        given = set(deployed.services.values()) if deployed is not None else set()
        for service in wanted:
            if given & {str(value) for value in service.connection.values() if value not in (None, "")}:
                users[service.id].append(flow.slug)
    return users


def explain(fault: ValidationError) -> FieldFault:
    """What is wrong with an entry of an imported file."""
    first = fault.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return FieldFault(location="body.yaml_content", message=f"{place} {word_fault(first, RegisterService)}")
