"""`run --listen`: the flow's own source on this machine, one run for every event, until told to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from intellyhub_engine.cli.exits import Exit
from intellyhub_engine.cli.inputs import STANDARD_INPUT
from intellyhub_engine.cli.interrupts import stopping_with
from intellyhub_engine.cli.programs import LoadedFlow, compile_loaded
from intellyhub_engine.cli.running import make_progress, show_result
from intellyhub_engine.cli.session import Display, Session
from intellyhub_engine.cli.sources import find_source, resolve_parameters
from intellyhub_engine.cli.stage import Stage, open_stage
from intellyhub_engine.errors import InputUnfit, LeaseLost, OtherVersion
from intellyhub_engine.journal.records import RunStatus
from intellyhub_engine.machine.host import Host
from intellyhub_engine.machine.result import RunResult
from intellyhub_engine.machine.source import Health, MemoryCursors, Replies, Reply, SourceContext

if TYPE_CHECKING:
    from intellyhub_engine.events import Event
    from intellyhub_engine.language.program import Program
    from intellyhub_engine.machine.source import Cursors

__all__ = ["listen_to"]

SWEEP_SECONDS = 1.0
"""How often waiting runs of the flow are looked after."""


def listen_to(
    session: Session,
    loaded: LoadedFlow,
    variables: Mapping[str, Any],
    *,
    max_events: int | None,
    journal: str | None,
    env_file: str | None,
    display: Display,
) -> int:
    """Run the flow for each event. Ends in order on Ctrl-C or SIGTERM, after `max_events`, or when the source ends."""
    with open_stage(session, journal=journal, env_file=env_file) as stage:
        catalogue = stage.catalogue_of(loaded.path)
        program = compile_loaded(loaded, catalogue, stage.archive)
        source, listen = find_source(program, catalogue)
        with make_progress(session, display) as progress:
            host = stage.make_host(loaded.path, observe=progress.observe, variables=variables)
            parameters = resolve_parameters(program, source, host, variables)
            listening = Listening(session, stage, program, host, variables, display)
            listening.text = None if loaded.path == STANDARD_INPUT else Path(loaded.path).absolute()
            with stopping_with(listening.stopping.set, word="ending after the current run"), listening.sweeping():
                listening.take(listen(parameters, listening.make_context()), max_events)
    return Exit.SUCCEEDED


class Listening:
    """One listening flow: its source, its runs, and those of them that wait."""

    def __init__(
        self,
        session: Session,
        stage: Stage,
        program: Program,
        host: Host,
        variables: Mapping[str, Any],
        display: Display,
    ) -> None:
        self.session = session
        self.stage = stage
        self.program = program
        self.host = host
        self.variables = variables
        self.display = display
        self.stopping = threading.Event()
        self.turn = threading.Lock()
        """One run at a time, so that what is shown of two runs is never mixed."""
        self.replies = Replies()
        self.health: Health | None = None
        self.text: Path | None = None
        """The flow's file."""

    def take(self, events: Iterator[Event], max_events: int | None) -> None:
        """Take events until there are no more, or it is time to stop.

        Asking for the next event tells the source that the last one is safe, so that is done before stopping, too; what
        comes then is left for the next time.
        """
        heard = 0
        try:
            for event in events:
                if self.stopping.is_set():
                    self.replies.give(event, Reply(status=503, body={"status": "stopping"}))
                    break
                self.replies.give(event, self.handle(event))
                heard += 1
                if heard == max_events:
                    self.stopping.set()
        finally:
            if isinstance(events, Generator):
                events.close()

    def make_context(self) -> SourceContext:
        """What surrounds the source."""
        return SourceContext(
            flow=self.program.name,
            address=f"/flows/{quote(self.program.name, safe='')}/listener",
            stopping=self.stopping,
            log=self.log,
            now_ns=time.time_ns,
            workspace=self.host.workspace,
            cursors=make_cursors(self.stage.journal_path, self.program.name),
            replies=self.replies,
            report=self.report,
            settings=self.stage.outer,
            text=self.text,
        )

    def handle(self, event: Event) -> Reply:
        """Give an event to the runs that wait for it; where there is none, make a run of its own."""
        from intellyhub_engine.machine.run import start

        with self.turn:
            if not self.display.as_json:
                self.session.terminal.show(("event ", "bold blue"), event.type, ("  " + headline(event), "dim"))
            try:
                results = self.wake(event) or [start(self.program, self.host, event=event, variables=self.variables)]
            except LeaseLost as fault:
                self.session.terminal.tell(f"another process is at work on this event: {fault}")
                return Reply(status=503, body={"status": "busy"})
            except OtherVersion as fault:
                self.session.terminal.tell(str(fault))
                return Reply(status=409, body={"status": "other version"})
            except InputUnfit as fault:
                self.session.terminal.tell(str(fault))
                return Reply(status=422, body={"status": "error", "message": str(fault)})
            for result in results:
                show_result(self.session, self.stage, result, self.display, hints=False)
            return make_reply(results[-1])

    def wake(self, event: Event) -> Sequence[RunResult]:
        """The runs of this version that the event wakes, or has woken before."""
        from intellyhub_engine.machine.run import deliver

        try:
            return deliver(self.program, self.host, event)
        except OtherVersion:
            return []

    @contextmanager
    def sweeping(self) -> Iterator[None]:
        """Resume the flow's due runs beside the listening."""
        if self.stage.journal is None:
            yield
            return
        sweeper = threading.Thread(target=self.sweep, name="sweep", daemon=True)
        sweeper.start()
        try:
            yield
        finally:
            self.stopping.set()
            sweeper.join()

    def sweep(self) -> None:
        from intellyhub_engine.machine.run import resume

        host = replace(self.host, owner=f"{self.host.owner}/sweep")
        while not self.stopping.wait(SWEEP_SECONDS):
            for run_id in self.stage.record.due(time.time_ns()):
                if self.is_ours(run_id):
                    with self.turn:
                        self.session.terminal.tell(f"going on with {run_id}")
                        result = resume(self.program, host, run_id)
                        show_result(self.session, self.stage, result, self.display, hints=False)

    def is_ours(self, run_id: str) -> bool:
        """Whether a run is one of this version of this flow."""
        begun = self.stage.record.history(run_id).start
        return (begun.flow, begun.version) == (self.program.name, self.program.digest)

    def log(self, level: str, message: str) -> None:
        """The source's own lines."""
        if level != "debug" or self.display.verbose:
            self.session.terminal.tell((f"{level}: " if level in ("warning", "error") else "", "yellow"), message)

    def report(self, health: Health) -> None:
        """Say when the source's standing changes."""
        if self.health is None or (health.connected, health.address) != (self.health.connected, self.health.address):
            place = f" on {health.address}" if health.address else ""
            told = f"listening{place}" if health.connected else f"no contact: {health.message}"
            self.session.terminal.tell((told, "green" if health.connected else "yellow"))
        self.health = health


def make_cursors(journal: Path | None, flow: str) -> Cursors:
    """Where the source keeps its place: beside the journal, one folder for each flow."""
    if journal is None:
        return MemoryCursors()
    from intellyhub_engine.journal.cursors import FileCursors

    return FileCursors(journal.with_name(journal.name + "-cursors") / quote(flow, safe=""))


def make_reply(result: RunResult) -> Reply:
    """What a caller who waits behind the event is told."""
    if result.status is RunStatus.SUCCEEDED:
        return Reply(body={"status": "success"} if result.output is None else result.output)
    if result.status is RunStatus.WAITING:
        return Reply(status=202, body={"status": "waiting", "run_id": result.run_id})
    return Reply(status=500, body={"status": "error", "run_id": result.run_id, "message": result.error})


def headline(event: Event) -> str:
    """A few words that tell an event from the next one."""
    data = event.data if isinstance(event.data, Mapping) else {}
    names = ("title", "subject", "text", "message", "file_name", "topic", "path")
    found = next((str(data[name]) for name in names if data.get(name)), event.subject or event.id)
    flat = " ".join(found.split())
    return flat if len(flat) <= 80 else flat[:79] + "…"
