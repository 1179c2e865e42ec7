"""Routes of one area, each declared once: path, who may call it, what it takes, what it answers."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, NamedTuple

from flask import Response, g
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag

from intellyhub_control_plane.models.roles import Role
from intellyhub_control_plane.shapes.problems import Problem
from intellyhub_control_plane.shapes.shape import Answer

__all__ = ["NEEDS", "Area", "Needs", "Reply"]

SECURITY: list[dict[str, list[str]]] = [{"bearer": []}]
FAULTS: Mapping[int, str] = {
    400: "The request cannot be understood",
    401: "Not signed in",
    402: "The plan does not include it",
    403: "The role does not suffice",
    404: "There is nothing with that name",
    409: "It cannot be done as things stand",
    412: "It was changed meanwhile",
    422: "The request is at fault; `errors` or `problems` names each fault",
    429: "Too many requests; `Retry-After` says when to come again",
    501: "This installation does not do it",
    503: "A part of the platform is not to be reached; try again",
}


class Needs(Enum):
    """What a route asks of its caller, where a role in the tenant is not the question."""

    NOTHING = "nothing"  # open to all
    PLATFORM = "platform"  # a platform administrator


NEEDS: dict[str, Role | Needs] = {}
"""Endpoint -> what it asks for. The guard refuses an endpoint that is not here."""


class Reply(NamedTuple):
    """An answer with a status of its own, or with headers."""

    body: Answer | None
    status: int
    headers: Mapping[str, str] = {}


Outcome = Answer | Reply | Response | None


class Area(APIBlueprint):
    """A group of routes."""

    def __init__(self, name: str, description: str) -> None:
        super().__init__(name, __name__, abp_tags=[Tag(name=name, description=description)])

    def operation(
        self,
        method: str,
        rule: str,
        *,
        needs: Role | Needs,
        answers: Mapping[int, type[Answer] | str | None],
        faults: tuple[int, ...] = (),
        streams: bool = False,
    ) -> Callable[[Callable[..., Outcome]], Callable[..., Outcome]]:
        """Declare a route. The function is called with the caller (unless it needs nothing) and the checked `path`,
        `query`, `header` and `body`; what it returns is answered with the first of the statuses of `answers`.
        Its name becomes the operation's id. With `streams` it may also answer with server-sent events."""
        status = next(iter(answers))

        def declare(function: Callable[..., Outcome]) -> Callable[..., Outcome]:
            is_open = needs is Needs.NOTHING

            @functools.wraps(function)
            def answer(**checked: Any) -> Response:
                if is_open:
                    return make_response(function(**checked), status)
                response = make_response(function(g.caller, **checked), status)
                g.session.commit()
                return response

            NEEDS[f"{self.name}.{function.__name__}"] = needs
            expected = (422,) if is_open else (401, 403, 422, 429)
            register = getattr(super(Area, self), method.lower())
            register(
                rule,
                operation_id=camel_case(function.__name__),
                responses=describe(answers, sorted({*expected, *faults}), streams=streams),
                security=[] if is_open else SECURITY,
            )(answer)
            return function

        return declare


def make_response(outcome: Outcome, status: int) -> Response:
    """What a route returned, as HTTP."""
    if isinstance(outcome, Response):
        return outcome
    reply = outcome if isinstance(outcome, Reply) else Reply(outcome, status)
    content = b"" if reply.body is None else reply.body.to_json()
    response = Response(content, reply.status, reply.headers, mimetype="application/json")
    if reply.body is None:
        del response.headers["Content-Type"]
    return response


def describe(
    answers: Mapping[int, type[Answer] | str | None], faults: list[int], *, streams: bool
) -> dict[int | str, Any]:
    """The `responses` of the OpenAPI document. A text as an answer is a media type."""
    described: dict[int | str, Any] = {}
    for status, answer in answers.items():
        if isinstance(answer, str):
            described[status] = {"description": "OK", "content": {answer: {"schema": {"type": "string"}}}}
        else:
            described[status] = answer
    if streams:
        described.setdefault(200, {"description": "OK"})
    reference = {"$ref": f"#/components/schemas/{Problem.__name__}"}
    for status in faults:
        content = {"application/problem+json": {"schema": reference}}
        described[status] = {"description": FAULTS[status], "content": content}
    return described


def camel_case(name: str) -> str:
    """`list_flows` -> `listFlows`."""
    first, *others = name.split("_")
    return first + "".join(other.title() for other in others)
