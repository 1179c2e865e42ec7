"""Good manners towards sites that are read: their robots.txt (RFC 9309), and a pause between two requests."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from intellyhub_engine.errors import PermanentError, RetryableError, StepCancelled, StepTimedOut
from intellyhub_engine.machine.step import Step
from intellyhub_functions.network.exchange import USER_AGENT, Request, send

if TYPE_CHECKING:
    from protego import Protego

__all__ = ["Manners", "manners"]

MAX_ROBOTS_BYTES = 500 * 1024
"""RFC 9309, section 2.5."""
KEEP_SECONDS = 3600.0
MAX_SITES = 256
PAUSE_SECONDS = 2.0
MAX_PAUSE_SECONDS = 60.0


class Manners:
    """What sites have asked for, and when each was asked last. Thread-safe; of one process."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._rules: OrderedDict[str, tuple[float, Protego | None]] = OrderedDict()
        self._next: OrderedDict[str, float] = OrderedDict()

    def forbids(self, url: str, step: Step) -> bool:
        """Whether the site's robots.txt keeps programs away from this address. Raises RetryableError where it cannot
        be had: then nothing may be read (RFC 9309, section 2.3.1.4)."""
        site = site_of(url)
        rules = self._find(site)
        if rules is None:
            rules = self._ask(site, step)
        return not rules.can_fetch(url, USER_AGENT)

    def wait(self, url: str, step: Step, least_seconds: float = PAUSE_SECONDS) -> None:
        """Wait until the site may be asked once more; one on this machine is one's own, and is waited for only where it
        says so. Raises StepCancelled or StepTimedOut."""
        site = site_of(url)
        rules = self._find(site)
        wanted = rules.crawl_delay(USER_AGENT) if rules is not None else None
        least = 0.0 if is_own(site) else least_seconds
        pause = min(max(least, wanted or 0.0), MAX_PAUSE_SECONDS)
        with self._lock:
            begins = max(self._next.get(site, 0.0), self._now())
            self._next[site] = begins + pause
            self._next.move_to_end(site)
            while len(self._next) > MAX_SITES:
                self._next.popitem(last=False)
        seconds = begins - self._now()
        if step.timeout_seconds is not None and seconds > step.timeout_seconds:
            raise StepTimedOut(f"{site} may be asked again in {seconds:.0f} s only, later than the step may last")
        if seconds > 0 and step.cancelled.wait(seconds):
            raise StepCancelled("the run was cancelled")

    def _find(self, site: str) -> Protego | None:
        with self._lock:
            until, rules = self._rules.get(site, (0.0, None))
            return rules if self._now() < until else None

    def _ask(self, site: str, step: Step) -> Protego:
        rules = read_rules(site, step)
        with self._lock:
            self._rules[site] = (self._now() + KEEP_SECONDS, rules)
            self._rules.move_to_end(site)
            while len(self._rules) > MAX_SITES:
                self._rules.popitem(last=False)
        return rules


def site_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def is_own(site: str) -> bool:
    """Whether the site is on this machine."""
    host = urlsplit(site).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def read_rules(site: str, step: Step) -> Protego:
    """The rules of a site; none where it has no robots.txt."""
    try:
        from protego import Protego
    except ImportError as fault:
        needed = "reading robots.txt needs intellyhub-functions[linkedin], which is not installed"
        raise PermanentError(needed) from fault
    request = Request(
        method="GET",
        url=f"{site}/robots.txt",
        timeout_seconds=10,
        deadline_seconds=step.timeout_seconds,
        cancelled=step.cancelled,
        max_body_bytes=MAX_ROBOTS_BYTES,
    )
    response = send(request)
    if response.status == 429 or response.status >= 500:
        raise RetryableError(f"{site}/robots.txt answered {response.status}, so nothing there may be read now")
    text = response.body.decode("utf-8", "replace") if response.status == 200 else ""
    return Protego.parse(text)


manners = Manners()
"""Those of this process."""
