"""What a Broker does to attributes, and which events get through it as they were."""

import pytest

from intellyhub_engine.events import Event
from intellyhub_knative.platform.broker.passage import comes_through, is_plain, normal_time


def make_event(**fields):
    return Event(**{"id": "1", "source": "/shop", "type": "t", "data": None} | fields)


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("2026-01-31T08:00:00Z", "2026-01-31T08:00:00Z"),
        ("2026-01-31T08:00:00.100Z", "2026-01-31T08:00:00.1Z"),
        ("2026-01-31T08:00:00.000+02:00", "2026-01-31T06:00:00Z"),
        ("2026-01-31T23:30:00.123456789123-01:30", "2026-02-01T01:00:00.123456789Z"),
        ("0999-01-01T00:00:00Z", "0999-01-01T00:00:00Z"),
        ("2026-01-31t08:00:00z", None),
        ("2026-01-31 08:00:00Z", None),
        ("2026-01-31T08:00:60Z", None),
        ("0001-01-01T00:00:00+14:00", None),
    ],
)
def test_times_go_in_the_form_of_go(written, normal):
    assert normal_time(written) == normal
    through = comes_through(make_event(time=written))
    assert (through and through.time) == normal


@pytest.mark.parametrize(
    "source",
    [
        "/shop",
        "shop",
        "urn:uuid:1",
        "https://Example.org:8080/a?b=c#d",
        "/a%20b",
        "/ä ö",
        "mailto:a@b",
        "/x:y@z",
        "a/B:c",
    ],
)
def test_usual_sources_come_through(source):
    event = make_event(source=source)
    assert comes_through(event) == event


@pytest.mark.parametrize("source", ["HTTP://x", "Urn:x", "/a#", "//host/x", "https://user@host/", "x://u:p@h"])
def test_sources_that_go_writes_in_another_way_do_not(source):
    assert comes_through(make_event(source=source)) is None


def test_values_that_headers_cannot_hold_are_not_what_triggers_compare_with():
    assert is_plain(make_event(subject="a/b-c", extensions={"region": "eu"}))
    assert not is_plain(make_event(subject="a b"))
    assert not is_plain(make_event(extensions={"city": "Köln"}))
