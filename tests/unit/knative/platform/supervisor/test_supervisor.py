"""Started in order, started again, stopped in order: with small processes of the tests' own."""

import asyncio
import os
import shutil
import signal
import tempfile
from pathlib import Path

import orjson
import pytest

from intellyhub_knative.platform.supervisor import supervisor as module
from intellyhub_knative.platform.supervisor.child import Inheritance
from intellyhub_knative.platform.supervisor.folder import hold_folder
from intellyhub_knative.platform.supervisor.logbook import Logbook
from intellyhub_knative.platform.supervisor.services import SERVICES, STOP_ORDER, Service
from intellyhub_knative.platform.supervisor.sockets import open_sockets
from intellyhub_knative.platform.supervisor.supervisor import SettingsRefused, StartFailed, Supervisor

pytestmark = pytest.mark.slow

GOOD = """
import os, signal, sys
from intellyhub_knative.platform.service import enter
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
here = enter(os.environ)
name, sock = next(iter(here.sockets.items()))
assert sock.fileno() > 2
assert os.getpgrp() == os.getpid()
print("INFO here is", name, file=sys.stderr)
"""
MODULES = {
    "good": GOOD + "here.announce_ready()\nsignal.sigwait([signal.SIGTERM])\nprint('WARNING', name, 'stops')",
    "telling": GOOD
    + "here.tell('administrator', password='pw')\nhere.announce_ready()\nsignal.sigwait([signal.SIGTERM])",
    "stubborn": GOOD + "here.announce_ready()\nwhile True: signal.sigwait([signal.SIGTERM])",
    "broken": "print('ERROR the disk is on fire')\nraise SystemExit(3)",
    "choosy": "print('ERROR SIZE is x; it must be a number')\nraise SystemExit(2)",
    "mute": GOOD + "signal.sigwait([signal.SIGTERM])",
    "brief": GOOD + "here.announce_ready()",
}


class House:
    """A platform of such processes, in this event loop."""

    def __init__(self, folder, **modules):
        self.folder = folder
        self.lines = []
        self.progress = []
        self.facts = None
        self.up, self.news = asyncio.Event(), asyncio.Event()
        self.stop = asyncio.Event()
        self.modules = modules

    @property
    def pids(self):
        return orjson.loads((self.folder / "data" / "run" / "processes.json").read_bytes())

    def said(self, text):
        return any(text in line.message for line in self.lines)

    async def until(self, condition):
        """Until something is so, looked at whenever a process has said something."""
        while not condition():
            self.news.clear()
            await self.news.wait()

    def hear(self, line):
        self.lines.append(line)
        self.news.set()

    async def run(self):
        waves = self.modules.pop("waves", {})
        services = [
            Service(name=name, module=kind, sockets=(name,), wave=waves.get(name, 0), grace_seconds=0.5)
            for name, kind in self.modules.items()
        ]
        environment = {**os.environ, "PYTHONPATH": str(self.folder)}
        with (
            hold_folder(self.folder / "data", address="x") as hold,
            open_sockets(hold.layout, list(self.modules), host="127.0.0.1", port=0) as sockets,
        ):
            logbook = Logbook(hold.layout.logs / "platform.log", self.hear)
            self.supervisor = Supervisor(
                layout=hold.layout,
                services=services,
                inheritance=Inheritance(
                    data=str(hold.layout.data), environment=environment, sockets=sockets, lock=hold.shared
                ),
                logbook=logbook,
                progress=self.progress.append,
                pid=os.getpid(),
            )
            try:
                await self.supervisor.run(self.stop, self.started)
            finally:
                logbook.close()

    def started(self, facts):
        self.facts = dict(facts)
        self.up.set()


@pytest.fixture
def folder():
    made = Path(tempfile.mkdtemp(dir="/tmp"))
    for name, text in MODULES.items():
        (made / f"{name}.py").write_text(text)
    yield made
    shutil.rmtree(made)


def run(house, story):
    async def both():
        running = asyncio.create_task(house.run())
        telling = asyncio.create_task(story(house))
        await asyncio.wait({running, telling}, return_when=asyncio.FIRST_COMPLETED)
        if telling.done():
            house.stop.set()
        else:
            telling.cancel()
        await running
        if telling.done() and not telling.cancelled():
            telling.result()

    asyncio.run(asyncio.wait_for(both(), 40))


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_tables_name_every_process_once():
    assert sorted(service.name for service in SERVICES) == sorted(STOP_ORDER)
    sockets = [name for service in SERVICES for name in service.sockets]
    assert len(set(sockets)) == len(sockets)
    assert next(service.wave for service in SERVICES if service.name == "journal") == 0


def test_processes_start_in_waves_and_stop_in_order(folder):
    house = House(folder, gateway="good", journal="good", broker="good", waves={"gateway": 1, "broker": 1})
    seen: list[int] = []

    async def story(house):
        await house.up.wait()
        pids = house.pids
        assert sorted(pids) == ["broker", "gateway", "journal", "supervisor"]
        assert all(is_alive(pid) for pid in pids.values())
        seen.extend(pid for name, pid in pids.items() if name != "supervisor")

    run(house, story)
    assert next(each.name for each in house.progress if each.seconds is not None) == "journal"
    stops = [line.process for line in house.lines if line.message.endswith(" stops")]
    assert stops == ["gateway", "broker", "journal"]
    assert not any(is_alive(pid) for pid in seen)
    assert not (folder / "data" / "run" / "processes.json").exists()
    assert list((folder / "data" / "run").glob("*.sock")) == []


def test_a_killed_process_is_started_again(folder):
    async def story(house):
        await house.up.wait()
        first = house.pids["journal"]
        os.kill(first, signal.SIGKILL)
        await house.until(lambda: house.said("journal is ready again"))
        assert house.pids["journal"] != first
        assert house.said("was ended by SIGKILL; it is started again in 0.1 s")

    run(House(folder, journal="good"), story)


def test_what_is_told_for_a_persons_eyes_is_in_no_log(folder):
    house = House(folder, control="telling")

    async def story(house):
        await house.up.wait()

    run(house, story)
    assert house.facts == {"administrator": {"password": "pw"}}
    assert "pw" not in (folder / "data" / "logs" / "platform.log").read_text().replace("pwd", "")


def test_a_process_that_does_not_start_ends_the_start_with_its_last_words(folder):
    house = House(folder, journal="good", broker="broken")
    with pytest.raises(StartFailed, match=r"broker does not start: it ended with exit code 3(.|\n)*on fire"):
        run(house, lambda house: house.up.wait())
    assert house.said("journal stops")


def test_a_process_that_refuses_its_settings_is_not_tried_again(folder):
    house = House(folder, broker="choosy")
    with pytest.raises(SettingsRefused, match=r"broker does not start:\n  SIZE is x; it must be a number"):
        run(house, lambda house: house.up.wait())
    assert not house.said("started again")


def test_a_process_that_keeps_failing_later_is_reported_and_tried_again(folder):
    async def story(house):
        await house.up.wait()
        (folder / "good.py").write_text(MODULES["broken"])
        os.kill(house.pids["journal"], signal.SIGKILL)
        await house.until(lambda: house.said("journal keeps failing; its last lines:"))
        (folder / "good.py").write_text(MODULES["good"])
        await house.until(lambda: house.said("journal is ready again"))

    house = House(folder, journal="good")
    run(house, story)
    report = next(number for number, line in enumerate(house.lines) if "keeps failing" in line.message)
    assert house.lines[report + 1].message.strip() == "the disk is on fire"


def test_a_process_that_is_never_ready_is_ended(folder, monkeypatch):
    monkeypatch.setattr(module, "START_SECONDS", 1.0)
    house = House(folder, journal="mute")
    with pytest.raises(StartFailed, match="was ended by SIGKILL"):
        run(house, lambda house: house.up.wait())
    assert house.said("is not ready after 1 s")


def test_a_process_that_ignores_sigterm_is_killed_after_its_grace(folder):
    house = House(folder, journal="stubborn")

    async def story(house):
        await house.up.wait()

    run(house, story)
    assert house.said("journal did not stop in 0.5 s: ending it")


def test_a_hurry_does_not_wait_for_the_grace(folder):
    house = House(folder, journal="stubborn", broker="stubborn")

    async def story(house):
        await house.up.wait()
        house.supervisor.hurry()

    run(house, story)
    assert not house.said("did not stop")


def test_a_stop_in_the_middle_of_the_start_stops(folder):
    house = House(folder, journal="mute", broker="good", waves={"broker": 1})

    async def story(house):
        await house.until(lambda: house.said("here is journal"))

    run(house, story)
    assert house.facts is None
    assert not house.said("here is broker")
