"""What a request asks for. Pure: the time and what makes ids come in as arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from time import gmtime, strftime
from typing import Any, NamedTuple

from intellyhub_engine.events import Event
from intellyhub_engine.serving.access import Access, without_signature
from intellyhub_engine.serving.answers import TRACE
from intellyhub_engine.serving.bodies import make_query, read_body
from intellyhub_engine.serving.cloudevents import is_event, read_event
from intellyhub_engine.serving.message import Request, Response
from intellyhub_engine.serving.problems import Fault, RequestRefused

__all__ = [
    "CancelRun",
    "DecideRun",
    "Decision",
    "Rules",
    "RunEvent",
    "ShowHealth",
    "ShowMetrics",
    "ShowReady",
    "ShowRun",
    "decide",
]

HTTP_SOURCE = "urn:intellyhub:http"
HTTP_TYPE = "io.intellyhub.http.request"
REQUEST_FIELD = "body"
METHODS = frozenset(("POST", "PUT", "PATCH"))
HIDDEN = frozenset(("authorization", "proxy-authorization", "cookie", "x-api-key"))
"""Headers that a flow has no business with: they say who may call, not what is asked."""

ALLOW_RUN = (("Allow", "OPTIONS, PATCH, POST, PUT"),)
ALLOW_READ = (("Allow", "GET, HEAD, OPTIONS"),)
ALLOW_PUT = (("Allow", "OPTIONS, PUT"),)


class RunEvent(NamedTuple):
    """Run the flow for an event."""

    event: Event
    delivery: bool
    """From a broker: the answer is empty or an event."""
    later: bool
    """The caller does not wait for the end."""


class ShowRun(NamedTuple):
    """Tell how a run stands."""

    run_id: str


class DecideRun(NamedTuple):
    """A person's answer to what a waiting run asked."""

    run_id: str
    decision: Any


class CancelRun(NamedTuple):
    """Stop a run."""

    run_id: str


class ShowHealth(NamedTuple):
    """Whether the process lives."""


class ShowReady(NamedTuple):
    """Whether the worker takes events."""


class ShowMetrics(NamedTuple):
    """Counts and durations."""


Decision = RunEvent | ShowRun | DecideRun | CancelRun | ShowHealth | ShowReady | ShowMetrics | Response


class Rules(NamedTuple):
    """What a worker's decisions depend on."""

    access: Access
    max_body_bytes: int
    metrics: str = "token"
    """Who may read the metrics: `token`, `open` or `off`."""
    event_type: str = HTTP_TYPE
    """The type of the event that a plain request becomes."""
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
    rules.access.admit(request, now_ns / 1e9)
    if path.startswith("/runs/"):
        return decide_run(request, path[len("/runs/") :])
    if request.method not in METHODS:
        raise RequestRefused(
            Fault.METHOD_NOT_ALLOWED, f"{request.method} is not offered: POST an event", headers=ALLOW_RUN
        )
    if len(request.body) > rules.max_body_bytes:
        raise too_large(rules.max_body_bytes)
    event = (
        without_signature(read_event(request))
        if is_event(request)
        else make_request_event(request, rules, now_ns, new_id)
    )
    return run(with_hop_trace(event, request.headers), request.headers)


def run(event: Event, headers: Mapping[str, str]) -> RunEvent:
    """How its answer must look: Knative's deliveries carry `Kn-Namespace`, those of a Broker `Prefer: reply` too."""
    if "kn-namespace" in headers:
        return RunEvent(event, delivery=True, later=False)
    if "prefer" not in headers:
        return RunEvent(event, delivery=False, later=False)
    preferences = headers["prefer"].lower().replace(",", " ").split()
    delivery = "reply" in preferences
    return RunEvent(event, delivery, later="respond-async" in preferences and not delivery)


def too_large(limit: int) -> RequestRefused:
    """413."""
    return RequestRefused(Fault.TOO_LARGE, f"the body is larger than {limit} bytes")


def options(path: str) -> Response:
    """What is offered at a path."""
    if path.startswith("/runs/"):
        return Response(204, headers=ALLOW_READ if path.count("/") == 2 else ALLOW_PUT)
    return Response(204, headers=ALLOW_READ if path in ("/healthz", "/readyz", "/metrics") else ALLOW_RUN)


def decide_watch(request: Request, rules: Rules, now_ns: int) -> Decision:
    """The paths for those who watch the worker."""
    if request.method not in ("GET", "HEAD"):
        raise RequestRefused(Fault.METHOD_NOT_ALLOWED, f"{request.method} is not offered here", headers=ALLOW_READ)
    if request.path == "/healthz":
        return ShowHealth()
    if request.path == "/readyz":
        return ShowReady()
    if rules.metrics == "off":
        raise RequestRefused(Fault.NOT_FOUND, "metrics are switched off")
    if rules.metrics != "open":
        rules.access.admit(request, now_ns / 1e9)
    return ShowMetrics()


def decide_run(request: Request, rest: str) -> Decision:
    """`/runs/{id}`, `/runs/{id}/decision`, `/runs/{id}/cancellation`."""
    run_id, _, part = rest.partition("/")
    if part not in ("", "decision", "cancellation") or not run_id:
        raise RequestRefused(Fault.NOT_FOUND, "a run has a decision and a cancellation, nothing else")
    allowed, methods = (ALLOW_PUT, ("PUT",)) if part else (ALLOW_READ, ("GET", "HEAD"))
    if request.method not in methods:
        raise RequestRefused(Fault.METHOD_NOT_ALLOWED, f"{request.method} is not offered here", headers=allowed)
    if not part:
        return ShowRun(run_id)
    if part == "cancellation":
        return CancelRun(run_id)
    body = read_body(request.headers.get("content-type"), request.body)
    if not isinstance(body, dict) or "decision" not in body:
        raise RequestRefused(Fault.BAD_BODY, 'the body is not an object with the key "decision"')
    return DecideRun(run_id, body["decision"])


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
