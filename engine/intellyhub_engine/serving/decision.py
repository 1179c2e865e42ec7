"""What a request asks for. Pure: the time and what makes ids come in as arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from time import gmtime, strftime
from typing import Any, NamedTuple

from intellyhub_engine.events import Event
from intellyhub_engine.serving.access import Access, without_signature
from intellyhub_engine.serving.answers import JSON, TRACE
from intellyhub_engine.serving.bodies import make_query, read_body
from intellyhub_engine.serving.cloudevents import is_event, read_document, read_event
from intellyhub_engine.serving.message import Request, Response
from intellyhub_engine.serving.problems import Fault, RequestRefused
from intellyhub_engine.serving.run_requests import (
    ALLOW_POST,
    ALLOW_READ,
    RunRequest,
    check_method,
    decide_run,
    make_options,
    preferences,
    read_object,
    read_variables,
    wants_no_wait,
)

__all__ = [
    "HTTP_SOURCE",
    "Decision",
    "Rules",
    "RunEvent",
    "ShowHealth",
    "ShowMetrics",
    "ShowReady",
    "decide",
]

HTTP_SOURCE = "urn:intellyhub:http"
HTTP_TYPE = "io.intellyhub.http.request"
REQUEST_FIELD = "body"
METHODS = frozenset(("POST", "PUT", "PATCH"))
HIDDEN = frozenset(("authorization", "proxy-authorization", "cookie", "x-api-key"))
"""Headers that a flow has no business with: they say who may call, not what is asked."""

ALLOW_RUN = (("Allow", "OPTIONS, PATCH, POST, PUT"),)


class RunEvent(NamedTuple):
    """Run the flow for an event."""

    event: Event
    delivery: bool
    """From a broker: the answer is empty or an event."""
    later: bool
    """The caller does not wait for the end."""
    variables: Mapping[str, Any] | None = None
    """What the caller sets beside the event."""


class ShowHealth(NamedTuple):
    """Whether the process lives."""


class ShowReady(NamedTuple):
    """Whether the worker takes events."""


class ShowMetrics(NamedTuple):
    """Counts and durations."""


Decision = RunEvent | RunRequest | ShowHealth | ShowReady | ShowMetrics | Response


class Rules(NamedTuple):
    """What a worker's decisions depend on."""

    access: Access
    max_body_bytes: int
    metrics: str = "token"
    """Who may read the metrics: `token`, `open` or `off`."""
    event_type: str = HTTP_TYPE
    """The type of the event that a plain request becomes."""
    sample: Mapping[str, Any] | None = None
    """The data of an event that a caller who gives none runs the flow with: the sample of its listener."""
    whole_request: bool = False
    """True: its data is the request (method, path, query, headers, body), for a flow with a webhook's listener; False:
    the body alone."""


def decide(request: Request, rules: Rules, *, now_ns: int, new_id: Callable[[], str]) -> Decision:
    """What to do. Raises `RequestRefused` with the problem to answer."""
    path = request.path
    if request.method == "OPTIONS":
        return options(path)
    if path in ("/healthz", "/readyz", "/metrics"):
        return decide_watch(request, rules, now_ns)
    if path == "/runs" or path.startswith("/runs/"):
        return decide_about_runs(request, rules, now_ns, new_id)
    rules.access.admit(request, now_ns / 1e9)
    if request.method not in METHODS:
        raise RequestRefused(
            Fault.METHOD_NOT_ALLOWED, f"{request.method} is not offered: POST an event", headers=ALLOW_RUN
        )
    check_size(request, rules)
    event = (
        without_signature(read_event(request))
        if is_event(request)
        else make_request_event(request, rules, now_ns, new_id)
    )
    return run(with_hop_trace(event, request.headers), request.headers)


def decide_about_runs(request: Request, rules: Rules, now_ns: int, new_id: Callable[[], str]) -> Decision:
    """What is asked under `/runs`, by callers only: an event's signature says nothing about where it was sent to."""
    rules.access.admit_caller(request)
    check_size(request, rules)
    if request.path != "/runs":
        return decide_run(request)
    wanted = read_start(request, rules, now_ns, new_id)
    return wanted._replace(event=with_hop_trace(wanted.event, request.headers))


def run(event: Event, headers: Mapping[str, str]) -> RunEvent:
    """How its answer must look: Knative's deliveries carry `Kn-Namespace`, those of a Broker `Prefer: reply` too."""
    if "kn-namespace" in headers:
        return RunEvent(event, delivery=True, later=False)
    delivery = "reply" in preferences(headers)
    return RunEvent(event, delivery, later=not delivery and wants_no_wait(headers))


def check_size(request: Request, rules: Rules) -> None:
    """Refuse a body beyond the limit."""
    if len(request.body) > rules.max_body_bytes:
        raise too_large(rules.max_body_bytes)


def too_large(limit: int) -> RequestRefused:
    """413."""
    return RequestRefused(Fault.TOO_LARGE, f"the body is larger than {limit} bytes")


def options(path: str) -> Response:
    """What is offered at a path."""
    if path == "/runs" or path.startswith("/runs/"):
        return make_options(path)
    return Response(204, headers=ALLOW_READ if path in ("/healthz", "/readyz", "/metrics") else ALLOW_RUN)


def decide_watch(request: Request, rules: Rules, now_ns: int) -> Decision:
    """The paths for those who watch the worker."""
    check_method(request, ("GET", "HEAD"), ALLOW_READ)
    if request.path == "/healthz":
        return ShowHealth()
    if request.path == "/readyz":
        return ShowReady()
    if rules.metrics == "off":
        raise RequestRefused(Fault.NOT_FOUND, "metrics are switched off")
    if rules.metrics != "open":
        rules.access.admit(request, now_ns / 1e9)
    return ShowMetrics()


def read_start(request: Request, rules: Rules, now_ns: int, new_id: Callable[[], str]) -> RunEvent:
    """`POST /runs` with `{"event"?, "variables"?}`: a call whose event and variables the caller chooses. The event is a
    CloudEvent, which has a `specversion`, or the data of one."""
    check_method(request, ("POST",), ALLOW_POST)
    body = read_object(request, ("event", "variables"))
    given = body.get("event", rules.sample)
    if isinstance(given, dict) and "specversion" in given:
        event = read_document(given)
    else:
        key = request.headers.get("idempotency-key")
        event = Event(
            id=key or new_id(),
            source=HTTP_SOURCE,
            type=rules.event_type,
            time=rfc3339(now_ns),
            datacontenttype=JSON,
            data=given,
        )
    return RunEvent(event, delivery=False, later=wants_no_wait(request.headers), variables=read_variables(body))


def make_request_event(request: Request, rules: Rules, now_ns: int, new_id: Callable[[], str]) -> Event:
    """A plain request as an event. An `Idempotency-Key` becomes its id, so that a repeated call finds its run."""
    headers = request.headers
    content_type = headers.get("content-type") or None
    body = read_body(content_type, request.body)
    return Event(
        id=headers.get("idempotency-key") or new_id(),
        source=HTTP_SOURCE,
        type=rules.event_type,
        time=rfc3339(now_ns),
        datacontenttype=content_type,
        data=make_request_data(request, body) if rules.whole_request else body,
    )


def make_request_data(request: Request, body: Any) -> dict[str, Any]:
    """The request as the webhook source describes one."""
    return {
        "method": request.method,
        "path": request.path,
        "query": make_query(request.query),
        "headers": {name: value for name, value in request.headers.items() if name not in HIDDEN},
        "body": body,  # a second name for it, `payload`, is the source's business
        "ip": request.peer,
    }


def with_hop_trace(event: Event, headers: Mapping[str, str]) -> Event:
    """An event that belongs to no trace joins the one of its request."""
    if "traceparent" not in headers or "traceparent" in event.extensions:
        return event
    trace = {name: headers[name] for name in TRACE if name in headers}
    return replace(event, extensions={**event.extensions, **trace})


def rfc3339(now_ns: int) -> str:
    """A time in UTC with microseconds."""
    return f"{rfc3339_second(now_ns // 1_000_000_000)}.{now_ns // 1000 % 1_000_000:06d}Z"


@lru_cache(maxsize=1)
def rfc3339_second(now: int) -> str:
    """A whole second, without its zone: requests of one second share it."""
    return strftime("%Y-%m-%dT%H:%M:%S", gmtime(now))
