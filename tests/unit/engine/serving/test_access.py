"""Tokens and signatures."""

import pytest

from intellyhub_engine.events import Event
from intellyhub_engine.serving.access import SIGNATURE, Access, sign, without_signature
from intellyhub_engine.serving.cloudevents import encode_data, make_headers, read_event
from intellyhub_engine.serving.problems import Fault, RequestRefused
from tests.unit.engine.serving.fakes import KEY, TOKEN, post

NOW = 1_800_000_000
ACCESS = Access(tokens=(TOKEN.encode(),), secrets=(b"the-key-after-next", KEY), signature_seconds=3600)
EVENT = Event(id="e\n1 €", source="/s", type="t", time="2026-01-02T03:04:05Z", data={"a": 1})


def delivery(event=EVENT, *, key=KEY, at=NOW, **changes):
    body, content_type = encode_data(event)
    headers = make_headers(sign(event, body, key, at))
    return post(changes.pop("body", body), dict(headers) | {"content-type": content_type} | changes)


def admitted(request, access=ACCESS, now=NOW):
    try:
        access.admit(request, now)
    except RequestRefused as refusal:
        return refusal.fault is not Fault.UNAUTHENTICATED
    return True


@pytest.mark.parametrize("authorization", [f"Bearer {TOKEN}", f"bearer  {TOKEN}"])
def test_a_bearer_of_the_token_is_admitted(authorization):
    assert admitted(post(headers={"authorization": authorization}))


@pytest.mark.parametrize(
    "authorization", ["Bearer wrong", "Bearer ", "", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", "Bearer à"]
)
def test_anything_else_is_not_admitted(authorization):
    assert not admitted(post(headers={"authorization": authorization}))


def test_a_request_that_shows_nothing_is_not_admitted_and_told_what_to_show():
    with pytest.raises(RequestRefused) as caught:
        ACCESS.admit(post(), NOW)
    assert caught.value.response.status == 401
    assert ("WWW-Authenticate", 'Bearer realm="worker"') in caught.value.response.headers


def test_without_keys_nobody_is_admitted():
    assert not admitted(post(headers={"authorization": "Bearer "}), Access())
    assert not admitted(delivery(), Access())


def test_an_open_worker_admits_everyone():
    assert admitted(post(), Access(open_to_all=True))


def test_a_signed_event_is_admitted():
    assert admitted(delivery())


def test_each_of_several_keys_is_accepted_so_that_they_can_be_rotated():
    assert admitted(delivery(key=b"the-key-after-next"))
    assert not admitted(delivery(key=b"somebody-elses-key"))


@pytest.mark.parametrize(
    "change",
    [
        {"body": b'{"a":2}'},
        {"ce-id": "e2"},
        {"ce-source": "/x"},
        {"ce-type": "x"},
        {"ce-time": ""},
        {"ce-subject": "x"},
        {"ce-flow": "x"},
    ],
)
def test_a_changed_event_is_not_admitted(change):
    assert not admitted(delivery(**change))


def test_values_cannot_reach_into_each_other():
    signed = delivery(Event(id="a\nb", source="c", type="t", data=1))
    headers = dict(signed.headers) | {"ce-id": "a", "ce-source": "b%0Ac"}
    assert not admitted(signed._replace(headers=headers))


def test_attributes_that_a_broker_adds_do_not_break_the_signature():
    assert admitted(delivery(**{"ce-knativearrivaltime": "2026-01-02T03:04:05Z"}))


@pytest.mark.parametrize(("age", "expected"), [(0, True), (3600, True), (3601, False), (-299, True), (-301, False)])
def test_a_signature_has_its_time(age, expected):
    assert admitted(delivery(at=NOW - age)) is expected


@pytest.mark.parametrize("signature", ["", ".", "x.y", "1800000000", "1800000000.", "²." + "0" * 64, "9" * 5000 + ".0"])
def test_a_malformed_signature_is_refused(signature):
    assert not admitted(delivery(**{f"ce-{SIGNATURE}": signature}))


def test_a_signed_event_with_a_brokers_own_token_is_admitted():
    assert admitted(delivery(authorization="Bearer eyJhbGciOi.of.the-broker"))


def test_a_flow_never_sees_the_signature():
    event = without_signature(read_event(delivery(EVENT)))
    assert event.extensions == {}


def test_no_key_is_shown_by_a_repr():
    assert TOKEN not in repr(ACCESS)
    assert KEY.decode() not in repr(ACCESS)


@pytest.mark.parametrize(
    "content_type", ["application/cloudevents+json", " Application/CloudEvents+JSON; charset=utf-8"]
)
def test_a_signature_does_not_let_the_body_name_another_event(content_type):
    assert not admitted(delivery(**{"content-type": content_type}))
