"""`intellyhub logs`: lines of flows, kept and live."""

import json

from tests.unit.control_plane.cli.answers import FLOW, NOW, page


def test_lines_of_several_flows_are_in_order_of_time(api, call):
    def line(second, message):
        return {
            "at": f"2026-01-02T03:04:0{second}.000Z",
            "run_id": "r",
            "level": "info",
            "message": message,
            "state": None,
        }

    api.answers["GET", "/api/flows"] = page(FLOW, {**FLOW, "slug": "other"})
    api.answers["GET", "/api/flows/hello/logs"] = page(line(1, "one"), line(3, "three"))
    api.answers["GET", "/api/flows/other/logs"] = page(line(2, "two\nlines"))
    _, out, _ = call("logs", "-n", "2")
    assert [row.split("\t")[1::3] for row in out.splitlines()] == [["other", "two lines"], ["hello", "three"]]
    _, out, _ = call("logs", "hello", "--json")
    assert [json.loads(row)["message"] for row in out.splitlines()] == ["one", "three"]


def test_a_live_stream_that_breaks_off_goes_on_where_it_was(api, call, monkeypatch):
    monkeypatch.setattr("intellyhub_control_plane.cli.logs.FIRST_PAUSE_SECONDS", 0.01)
    first = (
        b': hello\n\nid: 7\nevent: log\ndata: {"at": "%s", "run_id": "r", "level": "info",\ndata: "message": "one"}\n\n'
    )
    second = b'id: 8\r\nevent: log\r\ndata: {"at": "%s", "run_id": "r", "level": "info", "message": "two"}\r\n\r\n'
    streams = [
        (200, first % NOW.encode()),
        (200, second % NOW.encode()),
        (404, {"detail": "the flow was deleted"}),
    ]
    earlier = {"at": NOW, "run_id": "r", "level": "info", "message": "before"}
    api.answers["GET", "/api/flows/hello/logs"] = lambda asked: (
        streams.pop(0) if "follow" in asked.query else page(earlier)
    )
    code, out, err = call("logs", "-f", "hello")
    assert [row.rpartition("\t")[2] for row in out.splitlines()] == ["before", "one", "two"]
    assert (code, "the flow was deleted" in err) == (66, True)
    followed = [asked for asked in api.asked if "follow" in asked.query]
    assert [asked.headers.get("last-event-id") for asked in followed] == [None, "7", "8"]


def test_following_begins_with_the_last_lines_and_tells_none_twice(api, call):
    def line(moment, message):
        return {"at": f"2026-01-02T03:04:{moment}Z", "run_id": "r", "level": "info", "message": message}

    live = [line("05.006123", "both"), line("05.006900", "new")]
    frames = "".join(f"event: log\ndata: {json.dumps(each)}\n\n" for each in live).encode()
    streams = [(200, frames), (404, {"detail": "it is gone"})]
    api.answers["GET", "/api/flows/hello/logs"] = lambda asked: (
        streams.pop(0) if "follow" in asked.query else page(line("04.000", "old"), line("05.006", "both"))
    )
    _, out, _ = call("logs", "-f", "-n", "7", "hello")
    assert [row.rpartition("\t")[2] for row in out.splitlines()] == ["old", "both", "new"]
    assert next(asked.query["limit"] for asked in api.asked if "follow" not in asked.query) == ["7"]
