"""Events as they are posted, and what becomes of them when they cannot be stored."""

import asyncio
import json

import pytest

from intellyhub_engine.errors import JournalFull, JournalUnwritable
from intellyhub_engine.events import Event
from intellyhub_knative.platform.gateway.ingress import read_events, store
from intellyhub_knative.platform.gateway.problems import Fault, Refusal
from intellyhub_knative.platform.gateway.settings import Settings

BINARY = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t", "content-type": "application/json"}
DOCUMENT = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data": {"a": 1}}
STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json; charset=utf-8"


def read(headers, body):
    return read_events(headers, body if isinstance(body, bytes) else json.dumps(body).encode(), 1000)


def refused(headers, body):
    with pytest.raises(Refusal) as refusal:
        read(headers, body)
    return refusal.value


def test_all_three_modes_say_the_same():
    expected = Event(id="1", source="/s", type="t", data={"a": 1}, datacontenttype="application/json")
    assert read(BINARY, {"a": 1}) == [expected]
    document = DOCUMENT | {"datacontenttype": "application/json"}
    assert read({"content-type": STRUCTURED}, document) == [expected]
    assert read({"content-type": BATCH}, [document, document | {"id": "2"}])[0] == expected


def test_an_empty_batch_is_no_fault():
    assert read({"content-type": BATCH}, []) == []


def test_what_only_the_platform_may_say_is_dropped():
    (event,) = read({**BINARY, "ce-intellyhubsig": "1.x", "ce-intellyhubhops": "-9", "ce-flow": "f"}, {})
    assert event.extensions == {"flow": "f"}


def test_every_fault_of_a_batch_is_named():
    batch = [DOCUMENT, {"id": "2"}, DOCUMENT | {"time": "now"}, 5]
    refusal = refused({"content-type": BATCH}, batch)
    assert refusal.fault is Fault.BAD_EVENT
    assert [error["index"] for error in refusal.errors] == [1, 2, 3]
    assert "'source'" in refusal.errors[0]["detail"]
    assert "'type'" in refusal.errors[0]["detail"]


@pytest.mark.parametrize(
    ("headers", "body", "fault"),
    [
        ({"content-type": "application/json"}, {"a": 1}, Fault.BAD_EVENT),
        ({}, b"", Fault.BAD_EVENT),
        ({"content-type": BATCH}, {"a": 1}, Fault.BAD_EVENT),
        ({"content-type": BATCH}, b"[{", Fault.BAD_BODY),
        ({"content-type": BATCH}, [DOCUMENT | {"data": "x" * 2000}], Fault.TOO_LARGE),
        ({"content-type": "application/cloudevents+avro"}, b"x", Fault.UNSUPPORTED_TYPE),
        ({**BINARY, "content-encoding": "gzip"}, b"x", Fault.UNSUPPORTED_TYPE),
        (BINARY, b"{", Fault.BAD_BODY),
        ({**BINARY, "ce-specversion": "0.3"}, {}, Fault.BAD_EVENT),
    ],
)
def test_what_is_no_event_is_refused(headers, body, fault):
    assert refused(headers, body).fault is fault


class Failing:
    def __init__(self, fault):
        self.fault = fault

    async def accept(self, tenant_id, events):
        if self.fault is None:
            await asyncio.sleep(60)
        raise self.fault


@pytest.mark.parametrize(
    ("fault", "answer", "status"),
    [
        (JournalFull("full"), Fault.DISK_FULL, 507),
        (JournalUnwritable("away"), Fault.JOURNAL_UNAVAILABLE, 503),
        (ConnectionResetError(), Fault.JOURNAL_UNAVAILABLE, 503),
        (None, Fault.JOURNAL_UNAVAILABLE, 503),
    ],
)
def test_an_event_that_was_not_stored_is_not_acknowledged(fault, answer, status):
    settings = Settings(journal_seconds=0.05)
    with pytest.raises(Refusal) as refusal:
        asyncio.run(store(Failing(fault), "a" * 32, [Event(id="1", source="/s", type="t")], settings))
    assert refusal.value.fault is answer
    assert answer.value.status == status
    assert int(refusal.value.headers["Retry-After"]) > 0
