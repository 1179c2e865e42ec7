"""A worker's life after the fork: it waits to be needed, is told what to be, closes its walls, serves, ends."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from intellyhub_engine.blocks.blocks import Blocks
from intellyhub_engine.blocks.forking import fork_host
from intellyhub_engine.catalogue.manifest import Catalogue
from intellyhub_engine.errors import EngineError
from intellyhub_engine.events import Event
from intellyhub_engine.language.model import Durability
from intellyhub_engine.language.program import Program
from intellyhub_engine.machine.host import Host
from intellyhub_engine.machine.masking import sounds_secret
from intellyhub_engine.serving.exchange import Exchange
from intellyhub_engine.serving.gate import Gate, Key
from intellyhub_engine.serving.lean.server import Ended
from intellyhub_engine.serving.lean.shared import SharedServer
from intellyhub_engine.serving.machine_runner import MachineRunner
from intellyhub_engine.serving.metrics import Metrics
from intellyhub_engine.serving.program_cache import load_program
from intellyhub_engine.serving.settings import Settings
from intellyhub_engine.serving.worker import make_rules
from intellyhub_engine.walls.enclosure import Ground, enclose
from intellyhub_engine.walls.probe import Walls
from intellyhub_functions.plugins.tables import InstalledPlugin, make_catalogue
from intellyhub_knative.platform.activator import channel
from intellyhub_knative.platform.activator.assignment import Assignment, Private, unpack_private
from intellyhub_knative.platform.activator.page import Page, State

__all__ = ["EXIT_INVALID", "live"]

LOG = logging.getLogger("intellyhub_knative.worker")
EXIT_INVALID = 2
"""The exit code of a worker that cannot serve its flow, and has said why."""
STOPPING = (signal.SIGTERM, signal.SIGINT)
"""Signals that tell a worker to finish what it has in hand."""
THREAD_STACK_BYTES = 2 << 20
FIRST_BYTE_SECONDS = 2.0
"""For a connection's first byte: senders connect when they have something to say."""
CONTROL = ("assert", "emit", "end", "if", "listener-state", "loop", "parallel", "set", "switch", "wait")
WITHOUT_BLOCKS = frozenset((*CONTROL, "file", "http", "rss_reader", "telegram-bot"))
"""State types that never start a process."""


def live(end: socket.socket, walls: Walls, ground: Ground, *, get_ready: Callable[[], None]) -> NoReturn:
    """Be a worker, from the assignment to the exit. It may be told before that to `get_ready`, and says when it is."""
    code = 1
    early = Early()
    for number in STOPPING:
        signal.signal(number, early.note)
    try:
        received = channel.receive(end)
        while received == ({"get_ready": True}, []):
            get_ready()
            channel.send(end, {"ready": True})
            received = channel.receive(end)
        code = 0 if received is None else work(end, walls, ground, early, *received)
    except EngineError as fault:
        LOG.error("%s", fault)  # noqa: TRY400 - a person reads it, not a developer
        code = tell_failure(end, str(fault))
    except Exception as fault:
        LOG.exception("the worker failed")
        tell_failure(end, f"{type(fault).__name__}: {fault}")
    finally:
        logging.shutdown()
        os._exit(code)


def tell_failure(end: socket.socket, reason: str) -> int:
    """Tell the activator why there is no worker."""
    try:
        channel.send(end, {"failed": reason[:2000]})
    except OSError:
        LOG.warning("the activator is gone")
    return EXIT_INVALID


class Early:
    """A worker told to stop before it serves: process 1 of a namespace misses signals for which it has no handler."""

    told = False

    def note(self, number: int, frame: object) -> None:
        """Remember it until there is something to stop."""
        self.told = True


def work(end: socket.socket, walls: Walls, ground: Ground, early: Early, message: Any, descriptors: list[int]) -> int:
    """Become the worker that the message says, and serve. The exit code."""
    listener, page, private = socket.socket(fileno=descriptors[0]), Page(descriptors[1]), descriptors[2]
    assignment = Assignment(**message)
    name_log_lines(assignment.label)
    enclose(walls, ground, assignment.make_cell())
    catalogue = catalogue_of(assignment)
    program = load_as(assignment.name, Path(assignment.flow), assignment, catalogue)
    # The host of blocks is a copy of this process: it is forked before there is a secret in it.
    blocks = Blocks(host=fork_host() if starts_processes(program) else None)
    secret = unpack_private(private)
    soon = program.durability is not Durability.NONE
    journal = open_journal(Path(assignment.journal), secret.journal_token, soon=soon)
    return serve(end, listener, page, assignment, secret, program, catalogue, blocks, journal, early)


def catalogue_of(assignment: Assignment) -> Catalogue:
    """What is built in, and what the flow's plugins bring."""
    return make_catalogue([InstalledPlugin(**plugin) for plugin in assignment.plugins])


def load_as(name: str, path: Path, assignment: Assignment, catalogue: Catalogue) -> Program:
    """A flow's program, under the platform's name for it, whatever its text calls it: the journal knows it by that."""
    program = load_program(path, catalogue, name=name, cache_dir=Path(assignment.programs))
    program.head = program.head._replace(name=name)
    return program


def name_log_lines(label: str) -> None:
    """Say in every line whose it is."""
    style = logging.Formatter(f"%(levelname)s {label.replace('%', '%%')}: %(message)s")
    for handler in logging.getLogger().handlers:
        handler.setFormatter(style)


def starts_processes(program: Program) -> bool:
    """Whether a state of the flow may run a Python block or a program; also through a flow that it calls."""
    return any(program.state(name).type not in WITHOUT_BLOCKS for name in program.names)


def serve(
    end: socket.socket,
    listener: socket.socket,
    page: Page,
    assignment: Assignment,
    private: Private,
    program: Program,
    catalogue: Catalogue,
    blocks: Blocks,
    journal: Any,
    early: Early,
) -> int:
    """Answer what comes until there is a reason to end. The exit code."""
    settings = make_settings(assignment, private)
    host = make_host(assignment, private, journal, blocks, catalogue)
    watch = Watch(page)
    exchange = Exchange(
        rules=make_rules(settings, program, catalogue),
        runner=MachineRunner(program, host, key=private.delivery_key.encode()),
        gate=WatchedGate(watch, concurrency=assignment.places, queue_seconds=settings.queue_seconds),
        metrics=Metrics(assignment.name),
        patience_seconds=settings.queue_seconds,
    )
    server = SharedServer(
        listener,
        exchange.answer,
        settings,
        places=assignment.places,
        leash=end,
        running=lambda: exchange.gate.in_flight,
        taken=watch.take,
    )
    watch.refresh = server.refresh
    stop = make_stop(exchange, server, page)
    for number in STOPPING:
        signal.signal(number, stop)
    if early.told:
        stop(signal.SIGTERM, None)
    signal.set_wakeup_fd(server.bell, warn_on_full_buffer=False)
    threading.stack_size(THREAD_STACK_BYTES)
    if not early.told:
        page.write_state(State.SERVING)
    ended = server.serve()
    page.write_state(State.ENDING)
    signal.set_wakeup_fd(-1)
    server.close()
    journal.close()
    if ended is not Ended.IDLE:
        LOG.info("the worker ends: %s", ended.value)
    return 0 if ended is not Ended.OVERDUE else 1


def make_stop(exchange: Exchange, server: SharedServer, page: Page) -> Callable[[int, object], None]:
    """What SIGTERM does."""

    def stop(signum: int, _frame: object) -> None:
        exchange.stopping = True
        page.write_state(State.ENDING)
        server.stop()

    return stop


class Watch:
    """Keeps the page true."""

    def __init__(self, page: Page) -> None:
        self.refresh: Callable[[], None] = lambda: None
        """Called when a run ends."""
        self._page = page
        self._lock = threading.Lock()
        self._began: dict[int, float] = {}
        self._taken = self._requests = 0

    def take(self, taken: int) -> None:
        """So many places are taken now."""
        with self._lock:
            self._requests += max(taken - self._taken, 0)
            self._taken = taken
            self._page.write_taken(taken)
            self._page.write_requests(self._requests)

    def begin(self) -> None:
        """A run begins, or begins to wait for its turn, in this thread."""
        with self._lock:
            self._began[threading.get_ident()] = time.monotonic()
            self._page.write_since(next(iter(self._began.values())))

    def end(self) -> None:
        """It has ended."""
        with self._lock:
            self._began.pop(threading.get_ident(), None)
            self._page.write_since(next(iter(self._began.values()), None))
        self.refresh()


class WatchedGate(Gate):
    """A gate that tells when runs begin and end."""

    def __init__(self, watch: Watch, *, concurrency: int, queue_seconds: float) -> None:
        super().__init__(concurrency=concurrency, queue_seconds=queue_seconds)
        self._watch = watch

    def enter(self, key: Key | None) -> None:
        """Take a place."""
        self._watch.begin()
        try:
            super().enter(key)
        except BaseException:
            self._watch.end()
            raise

    def leave(self, key: Key | None) -> None:
        """Let the next one in."""
        super().leave(key)
        self._watch.end()


def make_settings(assignment: Assignment, private: Private) -> Settings:
    """What the engine's parts ask for."""
    return Settings(
        flow=assignment.flow,
        name=assignment.name,
        cache_dir=assignment.programs,
        worker_tokens=(private.token,),
        delivery_secrets=(private.delivery_key,),
        concurrency=assignment.places,
        idle_seconds=assignment.idle_seconds,
        drain_seconds=assignment.timeout_seconds,
        keep_alive_seconds=FIRST_BYTE_SECONDS,
    )


def make_host(assignment: Assignment, private: Private, journal: Any, blocks: Blocks, catalogue: Catalogue) -> Host:
    """What surrounds every run. Nothing of the platform's own environment is visible to flows."""
    named = {name: value for name, value in private.variables.items() if isinstance(value, str) and sounds_secret(name)}
    return Host(
        now_ns=time.time_ns,
        catalogue=catalogue,
        journal=journal,
        owner=assignment.owner,
        outer={**private.secrets, **private.variables},
        secrets=frozenset((*private.secrets.values(), *named.values())),
        workspace=Path(assignment.cell["workspace"]),
        services={"blocks": blocks, "layers": assignment.layers, "request_seconds": assignment.timeout_seconds},
        emit=make_emit(assignment, journal),
        budget=private.budget,
        find_flow=make_finder(assignment, catalogue),
    )


def make_emit(assignment: Assignment, journal: Any) -> Callable[[Event], None]:
    """Emitted events go to the tenant's broker: into its outbox, which is where the journal is."""

    def emit(event: Event) -> None:
        journal.accept(assignment.tenant_id, [event])

    return emit


def open_journal(path: Path, token: str, *, soon: bool) -> Any:
    """The journal service; where the path is a file's, the journal in it. `soon`: it will be asked in a moment."""
    if path.suffix == ".sock":
        from intellyhub_engine.journal.remote import RemoteJournal

        journal = RemoteJournal(path, token)
        if soon:
            journal.knock()
        return journal
    from intellyhub_engine.journal.sqlite import SqliteJournal

    return SqliteJournal(path)


def make_finder(assignment: Assignment, catalogue: Catalogue) -> Callable[[str], Program | None]:
    """Finds the flows that this one calls, by slug, in their current version."""
    folder = Path(assignment.flows)
    found: dict[Path, Program] = {}

    def find(name: str) -> Program | None:
        place = folder / f"{name.removesuffix('.yaml')}.yaml"
        if place.parent != folder or not place.is_file():
            return None
        version = place.resolve()
        if version not in found:
            flow_id = version.parent.name if version.parent != folder.resolve() else place.stem
            found[version] = load_as(f"{assignment.tenant_id}/{flow_id}", version, assignment, catalogue)
        return found[version]

    return find
