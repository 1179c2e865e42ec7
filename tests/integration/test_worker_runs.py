"""Runs that a caller starts, resumes, replays and forks, on both servers (docs/worker.md)."""

import contextlib
import time

import orjson
import pytest

from tests.integration.workers import FLOW, TOKEN, framework, lean, without_ids

BEARER = {"Authorization": f"Bearer {TOKEN}"}
JSON = BEARER | {"Content-Type": "application/json"}


@pytest.fixture(params=[lean, framework], ids=["lean", "framework"])
def server(request, start):
    return start(request.param)


@pytest.fixture
def start(tmp_path):
    with contextlib.ExitStack() as stack:

        def start(make=lean, **choices):
            worker = make(tmp_path, **choices)
            stack.callback(worker.close)
            return worker.wait_until_it_listens()

        yield start


def test_a_run_is_started_replayed_and_forked(server):
    body = b'{"event": {"kind": "s"}, "variables": {"kind": "t"}}'
    status, headers, body = server.ask("POST", "/runs", body, JSON)
    assert (status, orjson.loads(body)["output"]) == (200, {"kind": "t"})
    place = f"/runs/{headers['intellyhub-run']}"
    for part, sent in (
        ("replays", b'{"variables": {"kind": "u"}}'),
        ("forks", b'{"seq": 1, "variables": {"kind": "u"}}'),
    ):
        status, _, body = server.ask("POST", f"{place}/{part}", sent, JSON)
        assert (status, orjson.loads(body)["output"]) == (200, {"kind": "u"})
    later = server.ask("POST", f"{place}/replays", b"", BEARER | {"Prefer": "respond-async"})
    assert (later[0], orjson.loads(later[2])["status"]) == (202, "running")


def test_a_waiting_run_goes_on_when_it_is_resumed(server):
    _, headers, _ = server.ask(headers=JSON, body=b'{"kind": "pause"}')
    place = f"{headers['location']}/resumption"
    deadline = time.monotonic() + 20
    while (answer := server.ask("PUT", place, headers=BEARER))[0] == 202 and time.monotonic() < deadline:
        time.sleep(0.05)  # the run waits for a time
    assert (answer[0], orjson.loads(answer[2])["output"]) == (200, {"kind": "pause"})


def test_both_servers_say_which_version_has_the_run(start, tmp_path):
    _, headers, _ = start().ask(headers=JSON, body=b'{"kind": "wait"}')
    changed = tmp_path / "changed" / "contract.yaml"
    changed.parent.mkdir()
    changed.write_text(FLOW + "# changed\n")
    answers = [
        start(make, INTELLYHUB_FLOW=str(changed)).ask(
            "PUT", f"{headers['location']}/decision", b'{"decision": "yes"}', JSON
        )
        for make in (lean, framework)
    ]
    assert without_ids(answers[0]) == without_ids(answers[1])
    status, headers, body = answers[0]
    assert (status, orjson.loads(body)["type"]) == (409, "urn:intellyhub:problem:other-version")
    assert len(headers["x-intellyhub-version"]) == 64
