"""Faults become problem documents here, and nowhere else (RFC 9457)."""

from __future__ import annotations

import logging

from flask import Flask, Response, request
from pydantic import ValidationError
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm.exc import StaleDataError
from werkzeug.exceptions import HTTPException

from intellyhub_control_plane.errors import FlowRefused, NotNow, Refusal, RequestInvalid, Unreachable
from intellyhub_control_plane.shapes.problems import FieldFault, Problem
from intellyhub_engine.errors import JournalError, JournalFull, RunNotFound

__all__ = ["add_error_handlers", "refuse_request"]

LOG = logging.getLogger(__name__)
PREFIX = "urn:intellyhub:problem:"
MEDIA_TYPE = "application/problem+json"
PLACES = {"Query": "query", "Path": "path", "Headers": "header"}


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
    for error in fault.errors(include_url=False, include_context=False, include_input=False):
        names = ".".join(str(part) for part in (place, *error["loc"]))
        is_no_object = place == "body" and not error["loc"]
        faults.append(FieldFault(location=names, message="is not a JSON object" if is_no_object else error["msg"]))
    raise RequestInvalid(faults)


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
    code = fault.name.lower().replace(" ", "-")
    problem = Problem(type=PREFIX + code, title=fault.name, status=status, detail=str(fault.description or fault.name))
    headers = {name: value for name, value in fault.get_headers() if name in ("Allow", "Retry-After", "Location")}
    return make_answer(problem, headers)


def answer_journal(fault: JournalError) -> Response:
    """The journal service cannot be reached, or has no room."""
    if isinstance(fault, RunNotFound):
        detail = f"there is no run {fault.run_id!r}"
        problem = Problem(type=PREFIX + "not-found", title="There is nothing with that name", status=404, detail=detail)
        return make_answer(problem, {})
    if isinstance(fault, JournalFull):
        problem = Problem(type=PREFIX + "full", title="The disk is full", status=507, detail=str(fault))
        return make_answer(problem, {})
    return answer_refusal(Unreachable("journal", str(fault)))


def answer_race(_fault: Exception) -> Response:
    """Two requests wanted the same name, or changed the same thing, at the same moment."""
    return answer_refusal(NotNow("somebody else changed the same thing at this moment; read it again"))


def answer_database(fault: OperationalError) -> Response:
    """The database is away, locked for too long, or has no room. What it said may name hosts: it is for the log."""
    LOG.error("the database cannot be used: %s", fault.orig)
    return answer_refusal(Unreachable("database", "it cannot be used at the moment"))


def answer_unexpected(fault: Exception) -> Response:
    """A fault of ours."""
    LOG.error("%s %s failed", request.method, request.path, exc_info=fault)
    detail = "the control plane made a mistake; its log says more"
    return make_answer(Problem(type=PREFIX + "internal", title="A fault of ours", status=500, detail=detail), {})


def make_answer(problem: Problem, headers: dict[str, str]) -> Response:
    """The document as HTTP."""
    content = problem.model_dump_json(exclude_none=True)
    return Response(content, problem.status, headers, content_type=MEDIA_TYPE)
