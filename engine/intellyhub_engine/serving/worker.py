"""Puts a worker together from its settings: program, journal, host, exchange. Nothing here listens."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from intellyhub_engine.catalogue.installed import installed_beside
from intellyhub_engine.catalogue.manifest import Catalogue
from intellyhub_engine.events import Event
from intellyhub_engine.machine.host import Host
from intellyhub_engine.serving.access import Access, sign
from intellyhub_engine.serving.decision import HTTP_TYPE, REQUEST_FIELD, Rules
from intellyhub_engine.serving.enclosing import make_workspace
from intellyhub_engine.serving.exchange import Exchange
from intellyhub_engine.serving.gate import Gate
from intellyhub_engine.serving.machine_runner import MachineRunner
from intellyhub_engine.serving.metrics import Metrics
from intellyhub_engine.serving.mounted import Mounted, Told, make_token
from intellyhub_engine.serving.outside import Outside
from intellyhub_engine.serving.program_cache import load_program
from intellyhub_engine.serving.settings import Settings
from intellyhub_engine.serving.surroundings import read_variables
from intellyhub_engine.serving.sweeper import Sweeper

if TYPE_CHECKING:
    from intellyhub_engine.language.program import Program

__all__ = [
    "Worker",
    "load_as",
    "make_acceptance",
    "make_owner",
    "make_rules",
    "make_worker",
    "make_workspace",
    "open_journal",
]

LAYERS = "layers.json"
"""Beside the flow, in an image: requirements of its Python -> the folder in which they are installed."""
CALLS = "calls.json"
"""Beside the flow, in an image: the flows that it calls -> what the journal calls them."""


class Worker(NamedTuple):
    """One flow version, ready to answer."""

    exchange: Exchange
    runner: MachineRunner
    sweeper: Sweeper | None
    resources: ExitStack
    """Closes the journal and the process that runs Python blocks."""


def make_worker(settings: Settings, environment: Mapping[str, str], outside: Outside | None = None) -> Worker:
    """Load the flow and open what it needs; `outside` of the walls, where there are some, what may not be read within
    is read. Raises `FlowInvalid`, `InputInvalid`, `JournalUnwritable`."""
    mounted = Mounted(settings, environment, outside)
    workspace = make_workspace(settings.workspace)
    catalogue = installed_beside(settings.flow)
    program = load_as(settings.flow_name, Path(settings.flow), settings, catalogue)
    with ExitStack() as resources:
        journal = open_journal(settings, outside, resources)
        host = make_host(settings, mounted.told, catalogue, journal, workspace)
        runner = MachineRunner(program, host, key=signing_key(settings), renew=mounted.renew)
        exchange = make_exchange(settings, program, catalogue, runner)
        return Worker(
            exchange=exchange,
            runner=runner,
            sweeper=make_sweeper(settings, exchange, runner),
            resources=resources.pop_all(),
        )


def load_as(name: str, path: Path, settings: Settings, catalogue: Catalogue) -> Program:
    """A flow's program. Where the platform has given a name, it is known by that, whatever its text calls it."""
    program = load_program(path, catalogue, name=name, cache_dir=cache_dir(settings))
    if settings.name:
        program.head = program.head._replace(name=name)
    return program


def open_journal(settings: Settings, outside: Outside | None, resources: ExitStack) -> Any:
    """The journal: a service in the network, or a file; None keeps nothing."""
    if not settings.journal:
        return None
    journal: Any
    if settings.remote_journal:
        from intellyhub_engine.journal.remote import RemoteJournal

        authority = Path(settings.journal_authority) if settings.journal_authority else None
        journal = RemoteJournal(settings.journal, make_token(settings, outside) or "", authority=authority)
    else:
        from intellyhub_engine.journal.sqlite import SqliteJournal

        journal = SqliteJournal(Path(settings.journal))
    resources.callback(journal.close)
    return journal


def make_host(settings: Settings, told: Told, catalogue: Catalogue, journal: Any, workspace: Path) -> Host:
    """What surrounds every run of this worker."""
    return Host(
        now_ns=time.time_ns,
        catalogue=catalogue,
        journal=journal,
        owner=make_owner(),
        outer=told.surroundings.outer,
        secrets=told.surroundings.secrets,
        budget=told.budget,
        workspace=workspace,
        services={"layers": find_layers(settings)},
        emit=make_emit(settings, journal),
        find_flow=make_finder(settings, catalogue),
        lease_seconds=settings.lease_seconds,
    )


def make_owner() -> str:
    """What the journal calls this process."""
    return f"{socket.gethostname()}/{os.getpid()}/{os.urandom(4).hex()}"


def find_layers(settings: Settings) -> dict[str, str]:
    """The folders of what the flow's Python requires; an image names them from the flow's folder on."""
    folder = Path(settings.flow).absolute().parent
    return {key: str(folder / place) for key, place in read_table(settings, LAYERS).items()}


def read_table(settings: Settings, name: str) -> dict[str, str]:
    """A file that an image has beside its flow: texts by name; empty where there is none. Raises `InputInvalid`."""
    path = Path(settings.flow).absolute().with_name(name)
    if not path.is_file():
        return {}
    return {str(key): str(value) for key, value in read_variables(str(path), "INTELLYHUB_FLOW").items()}


def make_emit(settings: Settings, journal: Any) -> Callable[[Event], None] | None:
    """Where emitted events go: to the sink, or into the outbox of a journal service; None: the last one is the reply to
    a delivery."""
    if not settings.sink:
        return make_acceptance(settings.tenant_id, journal) if settings.remote_journal else None
    from intellyhub_engine.serving.sink import Sink

    key = signing_key(settings)

    def seal(event: Event, body: bytes) -> Event:
        return event if key is None else sign(event, body, key, time.time())

    sink = Sink(url=settings.sink, timeout_seconds=settings.sink_seconds, sign=seal, overrides=dict(settings.overrides))
    return sink.send


def make_acceptance(tenant_id: str, journal: Any) -> Callable[[Event], None]:
    """Puts an event into its tenant's outbox."""

    def emit(event: Event) -> None:
        journal.accept(tenant_id, [event])

    return emit


def make_finder(settings: Settings, catalogue: Catalogue) -> Callable[[str], Program | None]:
    """Finds the flows that this one calls: by path or by name, in its own folder. An image says what the platform calls
    them."""
    folder = Path(settings.flow).absolute().parent
    names = read_table(settings, CALLS)
    found: dict[str, Program] = {}

    def find(name: str) -> Program | None:
        places = (folder / name, folder / f"{name}.yaml", folder / f"{name}.yml")
        if name not in found and (place := next((each for each in places if each.is_file()), None)):
            found[name] = load_as(names.get(place.stem, place.stem), place, settings, catalogue)
        return found.get(name)

    return find


def cache_dir(settings: Settings) -> Path | None:
    """Where compiled flows are kept, if not beside them."""
    return Path(settings.cache_dir) if settings.cache_dir else None


def signing_key(settings: Settings) -> bytes | None:
    """What emitted events are signed with."""
    return settings.delivery_secrets[0].encode() if settings.delivery_secrets else None


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
