"""What Brokers say of events they gave up."""

import base64
import json

import pytest

from intellyhub_knative.platform.gateway.given_up import Fate, read_given_up


def headers(code=None, data=b""):
    found = {"ce-id": "1", "ce-knativebrokerttl": "255"}
    if code is not None:
        found |= {"ce-knativeerrorcode": str(code), "ce-knativeerrordata": base64.b64encode(data).decode()}
    return found


def problem(kind, detail="words"):
    return json.dumps({"type": f"urn:intellyhub:problem:{kind}", "detail": detail}).encode()


@pytest.mark.parametrize(
    ("code", "data", "fate", "error"),
    [
        (400, problem("bad-event"), Fate.DEAD, "the flow answered 400: words"),
        (503, problem("run-retryable"), Fate.DEAD, "the flow answered 503: words"),
        (401, problem("unauthenticated"), Fate.DEAD, "the flow answered 401: words"),
        (503, problem("in-flight"), Fate.AGAIN, "the flow answered 503: words"),
        (409, problem("other-version"), Fate.AGAIN, "the flow answered 409: words"),
        (504, b"activator request timeout", Fate.AGAIN, "the Broker was answered 504: activator request timeout"),
        (404, b"", Fate.AGAIN, "the Broker was answered 404"),
        (500, b'dispatch error: Post "http://x": EOF', Fate.AGAIN, None),
        (None, b"", Fate.SILENT, None),
    ],
)
def test_who_refused_it_decides_what_becomes_of_it(code, data, fate, error):
    given_up = read_given_up(headers(code, data))
    assert (given_up.fate, given_up.code) == (fate, code)
    assert given_up.error == error or error is None
    assert given_up.error


@pytest.mark.parametrize("data", ["", "not base64!", "é", "[" * 5000, base64.b64encode(b"[" * 700).decode()])
def test_whatever_the_attributes_hold_there_is_a_short_reason(data):
    given_up = read_given_up({"ce-knativeerrorcode": "500", "ce-knativeerrordata": data})
    assert given_up.code == 500
    assert 0 < len(given_up.error) <= 768
    assert read_given_up({"ce-knativeerrorcode": "9" * 50}).code is None
