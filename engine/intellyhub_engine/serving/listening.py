"""One flow's source in a pod of its own: it listens for as long as it has the right to, and hands every event over.

There is one such pod for a flow, but for the moment in which a new one comes and the old one goes: both are there then,
and one of them has the right (`journal.places.Exclusive`). Places move once, whoever moves them.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from intellyhub_engine.catalogue.manifest import SourceType
from intellyhub_engine.errors import EngineError, InputInvalid, JournalError, PermanentError, RetryableError
from intellyhub_engine.events import Event
from intellyhub_engine.frozen import dataclass
from intellyhub_engine.journal.ledger import write_page
from intellyhub_engine.journal.places import Exclusive, JournalCursors
from intellyhub_engine.machine.listener import fill_in
from intellyhub_engine.machine.masking import mask
from intellyhub_engine.machine.source import Health, MemoryCursors, SourceContext
from intellyhub_engine.serving.mounted import Mounted
from intellyhub_engine.serving.pace import Pace
from intellyhub_engine.serving.settings import Settings
from intellyhub_engine.serving.standing import Standing

if TYPE_CHECKING:
    from intellyhub_engine.language.program import Program

__all__ = ["Listening", "Post", "Surrounding", "find_kind"]

LOG = logging.getLogger("intellyhub_engine.listener")
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
RIGHT = "listening"
RIGHT_SECONDS = 20.0
"""How long the right lasts without being renewed: an old pod that is cut off has stopped by then."""
RENEW_SECONDS = 4.0
WRITE_SECONDS = 15.0
"""How often its standing is written down, where nothing changes in it but times."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 300.0
LONGEST_WAIT_SECONDS = 10.0
"""Between two attempts to hand an event over."""
REMEDY = "set what is missing as a variable or secret"

Post = Callable[[Event], None]
"""Hands an event over; returns when it is stored. Raises `RetryableError`, `PermanentError` or `JournalError`."""


@dataclass(frozen=True, kw_only=True)
class Surrounding:
    """What a listening needs of its process."""

    settings: Settings
    program: Program
    kind: SourceType
    mounted: Mounted
    journal: Any
    """None: places are forgotten with the process, and nobody else listens."""
    post: Post
    workspace: Path
    owner: str


class Listening:
    """Listens in a thread of its own until it is stopped."""

    def __init__(self, surrounding: Surrounding) -> None:
        self.around = surrounding
        self.standing = Standing()
        self.stopping = threading.Event()
        """Set for good."""
        self.session = threading.Event()
        """Set to end what is listened with now: the right is lost, or what it was told has changed."""
        self._flow = surrounding.settings.flow_name
        self._right = surrounding.journal and Exclusive(
            surrounding.journal, self._flow, RIGHT, owner=surrounding.owner, seconds=RIGHT_SECONDS
        )
        self._in_contact_at = time.monotonic()
        self._failures = 0
        self._secrets: frozenset[str] = frozenset()
        self._has_right = False
        self._written: tuple[Any, ...] = ()
        self._written_at = 0.0
        self._pace = Pace()
        self._threads = [
            threading.Thread(target=work, name=name, daemon=True)
            for name, work in (("listen", self._listen), ("right", self._keep_right))
        ]

    def start(self) -> None:
        """Begin. The threads are behind the walls of the one that calls this."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End, within about a second. May be called from a signal handler."""
        self.stopping.set()
        self.session.set()

    def join(self, seconds: float) -> None:
        """Wait for its end, and leave the right to the next one."""
        ends = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, ends - time.monotonic()))
        try:
            self._write(force=True)
            if self._right and not any(thread.is_alive() for thread in self._threads):
                self._right.release()
        except JournalError as fault:
            LOG.warning("the next listener waits for %.0f s: %s", RIGHT_SECONDS, fault)

    @property
    def ready(self) -> bool:
        """Whether it listens, and is in contact."""
        return self._has_right and self.standing.connected

    @property
    def fault(self) -> str:
        """Why its pod should be begun anew; empty while it need not be."""
        if not all(thread.is_alive() for thread in self._threads) and not self.stopping.is_set():
            return "the listener's thread has ended"
        silent = time.monotonic() - self._in_contact_at
        if self._has_right and not self.standing.connected and silent > self.around.settings.silence_seconds:
            return f"no contact for {silent:.0f} s: {self.standing.message}"
        return ""

    # The right, and what is written down

    def _keep_right(self) -> None:
        """Have the right, renew it, and tell how it stands; end the session when it is lost."""
        renewed_at = time.monotonic()
        while not self.stopping.is_set():
            try:
                has_right = self._right is None or self._right.take(time.time_ns())
                renewed_at = time.monotonic()
                if has_right:
                    self._write()
            except JournalError as fault:
                LOG.warning("the right to listen cannot be renewed: %s", fault)
                has_right = self._has_right and time.monotonic() - renewed_at < RIGHT_SECONDS - RENEW_SECONDS
            except InputInvalid as fault:  # the flow's memory is full
                LOG.error("the right to listen cannot be kept: %s", fault)  # noqa: TRY400 - for an operator
                has_right = False
            self._note_right(has_right)
            if self.around.mounted.renew() is not None:
                self.session.set()
            self.stopping.wait(RENEW_SECONDS if has_right else 1.0)

    def _note_right(self, has_right: bool) -> None:
        if has_right and not self._has_right:
            self._in_contact_at = time.monotonic()
        elif self._has_right and not has_right:
            LOG.warning("another pod listens for this flow, or nobody knows: this one waits")
            self.session.set()
        self._has_right = has_right

    def _write(self, *, force: bool = False) -> None:
        """Write its standing down, where that is news."""
        standing = self.standing
        now, news = time.monotonic(), (standing.connected, standing.message, standing.events, standing.restarts)
        if self._right is not None and self._has_right and (force or self._is_news(news, now)):
            write_page(self.around.journal, self._flow, standing.keep())
            self._written, self._written_at = news, now

    def _is_news(self, news: tuple[Any, ...], now: float) -> bool:
        return news != self._written or now - self._written_at >= WRITE_SECONDS

    # The source

    def _listen(self) -> None:
        while not self.stopping.is_set():
            if not self._has_right:
                self.stopping.wait(0.1)
                continue
            self.session.clear()
            if self.stopping.is_set() or not self._has_right:  # it may have been told so just before
                continue
            try:
                self._take_all()
            except Exception as fault:  # noqa: BLE001 - the edge between us and a source: `_fail` logs it
                self._fail(fault)

    def _take_all(self) -> None:
        context = self._make_context()
        parameters = self._resolve()
        assert self.around.kind.load is not None
        events = self.around.kind.load()(parameters, context)
        try:
            for event in events:
                if not self._hand_over(event):
                    return
                self.session.wait(self._pace.take())
        finally:
            close = getattr(events, "close", None)
            if close is not None:
                close()
        if not self.session.is_set():
            raise RuntimeError("the source ended by itself")

    def _resolve(self) -> Mapping[str, Any]:
        surroundings = self.around.mounted.told.surroundings
        self._secrets = surroundings.secrets
        prelude, kind = self.around.program.prelude, self.around.kind
        return fill_in(prelude, kind, outer=surroundings.outer, now_ns=time.time_ns, remedy=REMEDY)

    def _make_context(self) -> SourceContext:
        settings, journal = self.around.settings, self.around.journal
        return SourceContext(
            flow=self.around.program.name,
            address=settings.listener_address or f"/flows/{quote(self._flow, safe='')}/listener",
            stopping=self.session,
            log=self._log,
            now_ns=time.time_ns,
            workspace=self.around.workspace,
            cursors=MemoryCursors() if journal is None else JournalCursors(journal, self._flow),
            report=self._report,
            settings=self.around.mounted.told.surroundings.outer,
            hook_address=settings.hook_address or None,
            text=Path(settings.flow).absolute(),
        )

    def _hand_over(self, event: Event) -> bool:
        """Have the event stored, however long that takes; False when the session has to end before."""
        addressed = replace(event, extensions={**event.extensions, "flow": self._flow.rpartition("/")[2]})
        attempt = 0
        while not self.session.is_set():
            try:
                self.around.post(addressed)
            except (RetryableError, JournalError) as fault:
                seconds = min(FIRST_PAUSE_SECONDS * 2**attempt, LONGEST_WAIT_SECONDS) * random.uniform(0.75, 1.0)
                attempt += attempt < 10
                self._log("error", f"the event {event.id!r} cannot be stored: {fault}; next try in {seconds:.0f} s")
                self.standing.report(Health(connected=False, message=f"events cannot be stored: {fault}"))
                self._in_contact_at = time.monotonic()  # that is not for a new pod to mend
                self.session.wait(seconds)
            except (PermanentError, InputInvalid) as fault:
                self._log("error", f"the event {event.id!r} cannot be stored and is left out: {fault}")
                return True
            else:
                if attempt:
                    self.standing.report(Health(connected=True))
                self.standing.note_event()
                self._failures = 0
                return True
        return False

    def _fail(self, fault: BaseException) -> None:
        seconds = min(FIRST_PAUSE_SECONDS * (1 << min(self._failures, 20)), LONGEST_PAUSE_SECONDS)
        seconds *= random.uniform(0.75, 1.0)
        self._failures += 1
        message = mask(str(fault) or type(fault).__name__, self._secrets)
        trace = None if isinstance(fault, EngineError) else fault
        LOG.error("the source broke and is begun again in %.0f s: %s", seconds, message, exc_info=trace)
        self.standing.fail(message, seconds)
        self.session.wait(seconds)

    def _log(self, level: str, message: str) -> None:
        LOG.log(LEVELS.get(level, logging.INFO), "%s", mask(message, self._secrets))

    def _report(self, health: Health) -> None:
        if health.connected:
            self._in_contact_at = time.monotonic()
            self._failures = 0
        self.standing.report(replace(health, message=mask(health.message, self._secrets)))


def find_kind(program: Program, sources: Mapping[str, SourceType]) -> SourceType:
    """The type of the flow's listener. Raises `InputInvalid` where there is nothing to listen to."""
    if program.listener is None:
        raise InputInvalid(f"the flow {program.name!r} has no listener, so there is nothing to listen to")
    kind = sources[program.listener.type]
    if kind.load is None:
        raise InputInvalid(f"listening with {kind.type!r} is not part of this image")
    return kind
