"""Faults become problem documents here, and nowhere else (RFC 9457)."""

from __future__ import annotations

import logging
import sqlite3

from flask import Flask, Response, current_app, request
from pydantic import ValidationError
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm.exc import StaleDataError
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from intellyhub_control_plane.errors import (
    DiskFull,
    FlowRefused,
    NoAddress,
    NotFound,
    NotNow,
    Refusal,
    RequestInvalid,
    Unreachable,
)
from intellyhub_control_plane.shapes.problems import FieldFault, Problem
from intellyhub_control_plane.shapes.shape import Shape
from intellyhub_control_plane.web.console import NOT_THE_CONSOLE
from intellyhub_control_plane.web.wording import word_fault
from intellyhub_engine.errors import JournalError, JournalFull, RunNotFound

__all__ = ["add_error_handlers", "refuse_request"]

LOG = logging.getLogger(__name__)
PREFIX = "urn:intellyhub:problem:"
MEDIA_TYPE = "application/problem+json"
PLACES = {"Query": "query", "Path": "path", "Headers": "header"}
NO_OBJECT = "is not a JSON object"


def add_error_handlers(app: Flask) -> None:
    """Teach an application to answer every fault with a problem document."""
    app.register_error_handler(Refusal, answer_refusal)
    app.register_error_handler(HTTPException, answer_http)
    app.register_error_handler(JournalError, answer_journal)
    app.register_error_handler(IntegrityError, answer_race)
    app.register_error_handler(StaleDataError, answer_race)
    app.register_error_handler(OperationalError, answer_database)
    app.register_error_handler(Exception, answer_unexpected)


def refuse_request(fault: ValidationError) -> Response:
    """Called by flask-openapi3 when a request's shape is wrong. Values are not repeated: they may be secret."""
    title = fault.title
    place = next((place for ending, place in PLACES.items() if title.endswith(ending)), "body")
    faults = []
    shape = shape_named(title)
    for error in fault.errors(include_url=False, include_input=False):
        if place == "path":
            noun = str(error["loc"][0])
            raise NotFound(noun.removesuffix("_id").replace("_", " "), (request.view_args or {}).get(noun, ""))
        names = ".".join(str(part) for part in (place, *error["loc"]))
        is_no_object = place == "body" and not error["loc"]
        faults.append(FieldFault(location=names, message=NO_OBJECT if is_no_object else word_fault(error, shape)))
    raise RequestInvalid(faults)


def shape_named(title: str) -> type[Shape] | None:
    """The shape that a fault of pydantic's speaks of."""
    shapes = [Shape]
    while shapes:
        shape = shapes.pop()
        if shape.__name__ == title:
            return shape
        shapes += shape.__subclasses__()
    return None


def answer_refusal(refusal: Refusal) -> Response:
    """What was refused on purpose."""
    problem = Problem(
        type=PREFIX + refusal.code,
        title=refusal.title,
        status=refusal.status,
        detail=refusal.detail,
        errors=list(refusal.faults) if isinstance(refusal, RequestInvalid) else None,
        problems=list(refusal.problems) if isinstance(refusal, FlowRefused) else None,
    )
    return make_answer(problem, refusal.headers)


def answer_http(fault: HTTPException) -> Response:
    """What Flask refuses itself: unknown paths and methods, bodies that are too large."""
    if fault.response is not None:
        return Response(status=fault.response.status_code, headers=dict(fault.get_headers()))
    status = fault.code or 500
    if status in (404, 405) and not is_address(request.path):
        return answer_refusal(NoAddress(f"there is no address {request.method} {request.path[:200]}; see /api/docs"))
    detail = str(fault.description or fault.name)
    if isinstance(fault, MethodNotAllowed):
        offered = sorted(set(fault.valid_methods or ()) - {"HEAD", "OPTIONS"})
        detail = f"{request.method} is not offered here; {' and '.join(offered)} {'is' if len(offered) == 1 else 'are'}"
    code = fault.name.lower().replace(" ", "-")
    problem = Problem(type=PREFIX + code, title=fault.name, status=status, detail=detail)
    headers = {name: value for name, value in fault.get_headers() if name in ("Allow", "Retry-After", "Location")}
    return make_answer(problem, headers)


def is_address(path: str) -> bool:
    """Whether something of ours is there, for one method or another. The console has all that is nobody else's."""
    if path.lstrip("/").partition("/")[0] not in NOT_THE_CONSOLE:
        return True
    try:
        endpoint, _ = current_app.url_map.bind("").match(path, method="GET")
    except MethodNotAllowed:
        return True
    except HTTPException:
        return False
    return not str(endpoint).startswith("console.")


def answer_journal(fault: JournalError) -> Response:
    """The journal service cannot be reached, or has no room."""
    if isinstance(fault, RunNotFound):
        return answer_refusal(NotFound("run", fault.run_id))
    if isinstance(fault, JournalFull):
        return answer_refusal(DiskFull(str(fault)))
    return answer_refusal(Unreachable("journal", str(fault)))


def answer_race(_fault: Exception) -> Response:
    """Two requests wanted the same name, or changed the same thing, at the same moment."""
    return answer_refusal(NotNow("somebody else changed the same thing at this moment; read it again"))


def answer_database(fault: OperationalError) -> Response:
    """The database is away, locked for too long, or has no room. What it said may name hosts: it is for the log."""
    LOG.error("the database cannot be used: %s", fault.orig)
    if is_full(fault):
        return answer_refusal(DiskFull("nothing can be kept now"))
    return answer_refusal(Unreachable("database", "it cannot be used at the moment"))


def is_full(fault: OperationalError) -> bool:
    """Whether there was no room: SQLITE_FULL, or PostgreSQL's 53100."""
    kind = getattr(fault.orig, "sqlite_errorcode", None) or getattr(fault.orig, "pgcode", None)
    return kind in (sqlite3.SQLITE_FULL, "53100")


def answer_unexpected(fault: Exception) -> Response:
    """A fault of ours."""
    LOG.error("%s %s failed", request.method, request.path, exc_info=fault)
    detail = "the control plane made a mistake; its log says more"
    return make_answer(Problem(type=PREFIX + "internal", title="A fault of ours", status=500, detail=detail), {})


def make_answer(problem: Problem, headers: dict[str, str]) -> Response:
    """The document as HTTP."""
    content = problem.model_dump_json(exclude_none=True)
    return Response(content, problem.status, headers, content_type=MEDIA_TYPE)
