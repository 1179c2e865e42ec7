"""Times as the API writes them."""

from intellyhub_knative.platform.moments import moment, moment_or_none
from intellyhub_knative.platform.sources.standing import Standing


def test_times_have_milliseconds_and_are_utc():
    assert moment(1_800_000_000_123_999_999) == "2027-01-15T08:00:00.123Z"
    assert moment_or_none(None) is None


def test_a_source_shows_its_times_so():
    standing = Standing()
    standing.last_event_ns = 1_800_000_000_123_456_789
    assert standing.show()["last_event_at"] == "2027-01-15T08:00:00.123Z"
