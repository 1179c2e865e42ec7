"""Access tokens of WeChat Work, kept while they last. https://developer.work.weixin.qq.com/document/path/91039.

Asking for one at every message is forbidden, and refused above a rate. They stay in the process: a token is a secret
that no journal needs to hold, and a new process is given the one that is still valid.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from intellyhub_engine.frozen import dataclass

__all__ = ["Token", "TokenCache", "tokens"]

MAX_TOKENS = 256
EARLY_SECONDS = 300.0
"""A token is renewed this long before it ends."""


@dataclass(frozen=True, kw_only=True)
class Token:
    """An access token and for how long it is valid from now."""

    text: str
    lasts_seconds: float


class TokenCache:
    """Tokens by who asked for them. Thread-safe; several who need one at once make one call."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._asking: dict[str, threading.Lock] = {}
        self._kept: OrderedDict[str, tuple[str, float]] = OrderedDict()

    def get(self, asker: tuple[str, ...], ask: Callable[[], Token]) -> str:
        """The token of `asker`, kept or new. Raises what `ask` raises."""
        key = hashlib.sha256("\0".join(asker).encode()).hexdigest()
        with self._lock:
            asking = self._asking.setdefault(key, threading.Lock())
        with asking:
            kept = self._find(key)
            if kept is None:
                token = self._ask(key, ask)
                kept = token.text
                self._keep(key, kept, self._now() + token.lasts_seconds - EARLY_SECONDS)
            return kept

    def forget(self, asker: tuple[str, ...], text: str) -> None:
        """Drop a token that was refused, unless another has taken its place."""
        key = hashlib.sha256("\0".join(asker).encode()).hexdigest()
        with self._lock:
            if self._kept.get(key, ("", 0.0))[0] == text:
                del self._kept[key]

    def _ask(self, key: str, ask: Callable[[], Token]) -> Token:
        """A new token; who gets none is not remembered."""
        try:
            return ask()
        except BaseException:
            with self._lock:
                self._asking.pop(key, None)
            raise

    def _find(self, key: str) -> str | None:
        with self._lock:
            text, ends = self._kept.get(key, ("", 0.0))
            return text if text and self._now() < ends else None

    def _keep(self, key: str, text: str, ends: float) -> None:
        with self._lock:
            self._kept[key] = (text, ends)
            self._kept.move_to_end(key)
            while len(self._kept) > MAX_TOKENS:
                oldest, _ = self._kept.popitem(last=False)
                self._asking.pop(oldest, None)


tokens = TokenCache()
"""The tokens of this process."""
