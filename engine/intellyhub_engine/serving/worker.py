"""Puts a worker together from its settings: program, journal, host, exchange. Nothing here listens."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from intellyhub_engine.catalogue.installed import installed_beside
from intellyhub_engine.catalogue.manifest import Catalogue
from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.events import Event
from intellyhub_engine.machine.host import Host
from intellyhub_engine.serving.access import Access, sign
from intellyhub_engine.serving.decision import HTTP_TYPE, REQUEST_FIELD, Rules
from intellyhub_engine.serving.exchange import Exchange
from intellyhub_engine.serving.gate import Gate
from intellyhub_engine.serving.machine_runner import MachineRunner
from intellyhub_engine.serving.metrics import Metrics
from intellyhub_engine.serving.program_cache import load_program
from intellyhub_engine.serving.settings import Settings
from intellyhub_engine.serving.surroundings import make_surroundings
from intellyhub_engine.serving.sweeper import Sweeper

if TYPE_CHECKING:
    from intellyhub_engine.language.program import Program

__all__ = ["Worker", "make_worker"]


class Worker(NamedTuple):
    """One flow version, ready to answer."""

    exchange: Exchange
    runner: MachineRunner
    sweeper: Sweeper | None
    resources: ExitStack
    """Closes the journal and the process that runs Python blocks."""


def make_worker(settings: Settings, environment: Mapping[str, str]) -> Worker:
    """Load the flow and open what it needs. Raises `FlowInvalid`, `InputInvalid`, `JournalUnwritable`."""
    catalogue = installed_beside(settings.flow)
    program = load_program(
        Path(settings.flow),
        catalogue,
        name=settings.flow_name,
        cache_dir=cache_dir(settings),
    )
    with ExitStack() as resources:
        host = make_host(settings, environment, catalogue, resources)
        runner = MachineRunner(program, host, key=signing_key(settings))
        exchange = make_exchange(settings, program, catalogue, runner)
        return Worker(
            exchange=exchange,
            runner=runner,
            sweeper=make_sweeper(settings, exchange, runner),
            resources=resources.pop_all(),
        )


def make_host(settings: Settings, environment: Mapping[str, str], catalogue: Catalogue, resources: ExitStack) -> Host:
    """What surrounds every run of this worker."""
    surroundings = make_surroundings(settings, environment)
    journal = None
    if settings.journal:
        from intellyhub_engine.journal.sqlite import SqliteJournal

        journal = SqliteJournal(Path(settings.journal))
        resources.callback(journal.close)
    return Host(
        now_ns=time.time_ns,
        catalogue=catalogue,
        journal=journal,
        owner=f"{socket.gethostname()}/{os.getpid()}/{os.urandom(4).hex()}",
        outer=surroundings.outer,
        secrets=surroundings.secrets,
        workspace=make_workspace(settings.workspace),
        emit=make_emit(settings),
        find_flow=make_finder(settings, catalogue),
        lease_seconds=settings.lease_seconds,
    )


def make_emit(settings: Settings) -> Callable[[Event], None] | None:
    """Where emitted events go; None: the last one is the reply to a delivery."""
    if not settings.sink:
        return None
    from intellyhub_engine.serving.sink import Sink

    key = signing_key(settings)

    def seal(event: Event, body: bytes) -> Event:
        return event if key is None else sign(event, body, key, time.time())

    sink = Sink(url=settings.sink, timeout_seconds=settings.sink_seconds, sign=seal, overrides=dict(settings.overrides))
    return sink.send


def make_finder(settings: Settings, catalogue: Catalogue) -> Callable[[str], Program | None]:
    """Finds the flows that this one calls: by path or by name, in its own folder."""
    folder = Path(settings.flow).absolute().parent
    found: dict[str, Program] = {}

    def find(name: str) -> Program | None:
        places = (folder / name, folder / f"{name}.yaml", folder / f"{name}.yml")
        if name not in found and (place := next((each for each in places if each.is_file()), None)):
            found[name] = load_program(place, catalogue, name=place.stem, cache_dir=cache_dir(settings))
        return found.get(name)

    return find


def cache_dir(settings: Settings) -> Path | None:
    """Where compiled flows are kept, if not beside them."""
    return Path(settings.cache_dir) if settings.cache_dir else None


def signing_key(settings: Settings) -> bytes | None:
    """What emitted events are signed with."""
    return settings.delivery_secrets[0].encode() if settings.delivery_secrets else None


def make_workspace(path: str) -> Path:
    """The folder for a flow's files."""
    folder = Path(path).absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise InputInvalid(f"the workspace {path!r} cannot be made (INTELLYHUB_WORKSPACE): {fault.strerror}") from fault
    return folder


def make_exchange(settings: Settings, program: Program, catalogue: Catalogue, runner: MachineRunner) -> Exchange:
    """What answers requests."""
    return Exchange(
        rules=make_rules(settings, program, catalogue),
        runner=runner,
        gate=Gate(concurrency=settings.concurrency, queue_seconds=settings.queue_seconds),
        metrics=Metrics(program.name),
        patience_seconds=settings.queue_seconds,
    )


def make_rules(settings: Settings, program: Program, catalogue: Catalogue) -> Rules:
    """How requests are read. To a flow with a webhook's listener a plain request is a request; to any other its body is
    the data of an event: such as its listener makes, or the values that a flow without one is called with."""
    listener = program.listener
    source = catalogue.sources.get(listener.type) if listener is not None else None
    return Rules(
        access=make_access(settings),
        max_body_bytes=settings.max_body_bytes,
        metrics=settings.metrics,
        event_type=(source.event_type if source is not None else "") or HTTP_TYPE,
        sample=dict(source.sample) if source is not None else None,
        whole_request=source is not None and source.spread == REQUEST_FIELD,
    )


def make_access(settings: Settings) -> Access:
    """Who may ask."""
    return Access(
        tokens=tuple(token.encode() for token in settings.worker_tokens),
        secrets=tuple(secret.encode() for secret in settings.delivery_secrets),
        signature_seconds=settings.signature_seconds,
        open_to_all=settings.auth == "none",
    )


def make_sweeper(settings: Settings, exchange: Exchange, runner: MachineRunner) -> Sweeper | None:
    """Resumes due runs, each in a turn of its own."""
    if not settings.sweep_seconds or not settings.journal:
        return None
    return Sweeper(
        due=runner.due,
        resume=lambda run_id: exchange.timed(lambda: runner.resume(run_id), ("run", run_id)),
        interval_seconds=settings.sweep_seconds,
    )
