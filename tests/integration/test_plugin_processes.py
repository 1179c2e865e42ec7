"""Plugins on a platform: in real workers and a real sources' host, behind whatever walls this machine has."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

import pytest

from intellyhub_functions.testing.plugins import publish, write_plugin
from intellyhub_knative.platform.journal.client import JournalClient
from intellyhub_knative.platform.keys import Purpose, load_keys
from tests.integration.activation import platform
from tests.integration.platform_processes import Process, await_that

pytestmark = pytest.mark.slow

NOTED = """
variables: {author: ada}
states:
  note: {state_type: notes, text: "{name}", count: 1, output: book, transition: done}
  done: {state_type: end, result: {said: "{book.notes[0].text} by {book.notes[0].author}"}}
"""
BROKEN = """
states:
  go: {state_type: broken, how: "{how}", error_transition: told}
  told: {state_type: end, result: {said: "{error_message}"}}
"""
LOOKING = '''
"""Looks around."""
import os
import socket
from pathlib import Path

from intellyhub import Context, SourceContext, source, state


@state
def look(context: Context, at: str) -> dict:
    """Looks at a path."""
    readable = os.access(at, os.R_OK)
    environment = sorted(name for name in os.environ if "TOKEN" in name or name.startswith("INTELLYHUB"))
    Path("trace.txt").write_text("here")
    try:
        Path(__file__).write_text("changed")
        changed = True
    except OSError:
        changed = False
    return {"readable": readable, "changed": changed, "environment": environment, "secrets": dict(context.secrets)}


@source
def looks(context: SourceContext, at: str, times: int = 2):
    """Looks now and then, and goes."""
    number = context.place or 0
    while number < times and not context.sleep(0.05):
        number += 1
        with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
            yield {"number": number, "readable": os.access(at, os.R_OK), "home": os.getcwd()}
        context.place = number
    os._exit(1)
'''


@pytest.fixture(scope="module")
def house():
    with platform() as made:
        yield made


@contextlib.contextmanager
def stored_events(house, flow_id):
    """A function that gives what the journal has stored for a flow, in order."""
    client = JournalClient(house.layout.socket("journal"), load_keys(house.layout.key).token(Purpose.JOURNAL))
    try:
        yield lambda: [one.event for one in client.unrouted(limit=1000) if one.event.extensions.get("flow") == flow_id]
    finally:
        client.close()


def plugins_of(house, *names):
    return tuple(publish(house.layout.plugins_of(house.tenant().tenant_id), *names))


def looking(house):
    return (write_plugin(house.layout.plugins_of(house.tenant().tenant_id), "looking", {"looking.py": LOOKING}),)


def source_of(host, flow):
    return next((each for each in host.get("/sources")["items"] if each["flow_id"] == flow.flow_id), None)


def find_listeners():
    """The processes of listeners, and those that put up walls around them."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if b"intellyhub_knative.platform.sources.enclosed" in path.read_bytes().split(b"\0"):
                found.add(path.parent.name)
    return found


def test_a_worker_runs_a_published_plugin_and_wakes_again_for_it(house):
    flow = house.flow("noted", NOTED, plugins=plugins_of(house, "notes"), idle_seconds=0.2)
    house.await_socket(flow)
    answer = house.ask(flow)
    assert (answer.status, answer.body["output"]) == (200, {"said": "Ada by ADA"})
    house.await_workers(0, flow)
    assert house.ask(flow, {"name": "Grace"}).body["output"] == {"said": "Grace by ADA"}


def test_a_plugin_that_crashes_fails_its_state_and_not_its_worker(house):
    flow = house.flow("broken", BROKEN, plugins=plugins_of(house, "broken"), timeout_seconds=2.5)
    house.await_socket(flow)
    pids = set()
    for how, said in (("crash", "SIGSEGV"), ("leave", "exit code 4"), ("hang", "not done after 2 s")):
        answer = house.ask(flow, {"how": how})
        assert (answer.status, said in answer.body["output"]["said"]) == (200, True)
        pids |= {worker["pid"] for worker in house.workers(flow)}
    assert len(pids) == 1


def test_a_plugin_sees_its_tenant_s_workspace_and_nothing_of_the_platform(house):
    text = """
states:
  look: {state_type: look, at: "{at}", output: seen, transition: done}
  done: {state_type: end, result: "{seen}"}
"""
    flow = house.flow("looking", text, plugins=looking(house))
    house.await_socket(flow)
    seen = house.ask(flow, {"at": str(house.layout.key)}).body["output"]
    assert seen == {"readable": False, "changed": False, "environment": [], "secrets": {}}
    assert (house.layout.workspace_of(flow.tenant_id) / "trace.txt").read_text() == "here"


def test_another_version_of_a_plugin_is_taken_without_a_restart(house):
    folder = house.layout.plugins_of(house.tenant().tenant_id)
    text = "states: {say: {state_type: say, output: said, transition: done}, done: {state_type: end, result: '{said}'}}"
    code = "from intellyhub import state\n\n@state\ndef say() -> int:\n    return {number}\n"
    for number in (1, 2):
        plugin = write_plugin(folder / "say", str(number), {"say.py": code.format(number=number)})
        flow = house.flow("saying", text, plugins=(replace(plugin, name="say"),))
        house.await_socket(flow)
        await_that(lambda number=number, flow=flow: house.ask_until_answered(flow).body["output"] == number)


def test_a_plugin_s_listener_is_listened_to_behind_walls_and_begun_again(house):
    listener = {"type": "looks", "at": str(house.layout.key), "times": 2}
    with Process(house.layout, "sources") as host:
        flow = house.flow("listened", "states: {a: {state_type: end}}", plugins=looking(house), listener=listener)
        with stored_events(house, flow.flow_id) as events:
            await_that(lambda: len(events()) == 2)
            await_that(lambda: source_of(host, flow)["restarts"] >= 1)
            assert "exit code 1" in source_of(host, flow)["message"]
            house.remove(flow)
            await_that(lambda: source_of(host, flow) is None)
            found = events()
        assert host.stop() == 0
    assert [event.data["number"] for event in found] == [1, 2]
    assert {event.data["home"] for event in found} == {str(house.layout.workspace_of(flow.tenant_id))}
    assert not any(event.data["readable"] for event in found)


def test_no_event_of_a_plugin_is_lost_or_doubled_when_the_host_is_killed(house):
    listener = {"type": "ticks", "times": 60}
    with Process(house.layout, "sources") as host:
        flow = house.flow(
            "ticking", "states: {a: {state_type: end}}", plugins=plugins_of(house, "acme"), listener=listener
        )
        with stored_events(house, flow.flow_id) as events:
            for count in (5, 20, 35):
                await_that(lambda count=count: len(events()) >= count)
                listeners = find_listeners()
                assert listeners
                host.kill()
                await_that(lambda listeners=listeners: not listeners & find_listeners())
                host.start()
            await_that(lambda: len(events()) >= 60)
            await_that(lambda: source_of(host, flow)["message"] == "no more ticks")
            found = [event.data["number"] for event in events()]
        house.remove(flow)
    assert found == list(range(1, 61))
