"""Server-sent events, however the pieces are cut."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import pytest

from intellyhub_engine.errors import PermanentError
from intellyhub_functions.network import server_sent
from intellyhub_functions.network.server_sent import read_events

TEXT = b"event: a\ndata: 1\n\n: ping\n\ndata: x\r\ndata: \xc3\xa8\r\n\r\nid: 3\n\nevent: b\rdata:y\r\rdata: last"
EVENTS = [("a", "1"), ("", "x\nè"), ("b", "y"), ("", "last")]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_events_are_the_same_wherever_the_pieces_end(size):
    pieces = [TEXT[at : at + size] for at in range(0, len(TEXT), size)]
    assert list(read_events(pieces)) == EVENTS


def test_an_event_without_end_is_given_up(monkeypatch):
    monkeypatch.setattr(server_sent, "MAX_EVENT_BYTES", 100)
    with pytest.raises(PermanentError, match="a line of more than 100 bytes"):
        list(read_events([b"data: "] + [b"x" * 10] * 20))
    with pytest.raises(PermanentError, match="an event of more than 100 bytes"):
        list(read_events([b"data: xxxxxxxxxx\n"] * 20))
