"""The public keys with which a cluster's tokens are checked (JSON Web Key Set, RFC 7517): fetched, kept, renewed.

A key that is not known may be a new one: the set is fetched again, but not for every stranger who makes up a name.
When it cannot be fetched, the keys that are known go on being good: flows work while the cluster's API is away.
"""

from __future__ import annotations

import logging
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import jwt
import orjson

from intellyhub_engine.errors import EngineError, InputInvalid

__all__ = ["KeySet", "KeysUnavailable", "PodTokenFault", "key_set_at"]

LOG = logging.getLogger(__name__)

MAX_BYTES = 256 * 1024
"""Of a key set; a cluster's has one to a few keys of half a kilobyte."""
MAX_KEYS = 64
FETCH_SECONDS = 5.0
PAUSE_SECONDS = 5.0
"""At least so long between two fetches, whoever asks."""
FRESH_SECONDS = 300.0
"""After so long the set is fetched again: a key that was taken back is unknown then."""


class PodTokenFault(EngineError):
    """A pod's token cannot be accepted."""


class KeysUnavailable(PodTokenFault):
    """There are no keys to check a token with, at the moment."""


class KeySet:
    """Keys by their ids. Thread-safe."""

    def __init__(self, fetch: Callable[[], bytes], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: dict[str, jwt.PyJWK] = {}
        self._tried_at = float("-inf")
        self._fetched_at = float("-inf")

    def find(self, key_id: str) -> jwt.PyJWK | None:
        """The key, as far as it is known. Asks nobody."""
        return self._keys.get(key_id)

    def wants_refresh(self, key_id: str) -> bool:
        """Whether `refresh` comes before looking for this key: it is unknown, or what is known is old."""
        now = self._clock()
        is_stale = now - self._fetched_at > FRESH_SECONDS
        return (is_stale or key_id not in self._keys) and (not self._keys or now - self._tried_at > PAUSE_SECONDS)

    def refresh(self) -> None:
        """Fetch the set, for up to five seconds. Raises `KeysUnavailable` where there is no key at all."""
        with self._lock:
            if self._clock() - self._tried_at > PAUSE_SECONDS:
                self._tried_at = self._clock()
                try:
                    self._keys = read_keys(self._fetch())
                    self._fetched_at = self._clock()
                except (OSError, ValueError, EngineError) as fault:
                    LOG.warning("the keys of the cluster's tokens cannot be read: %s", fault)
            if not self._keys:
                raise KeysUnavailable("the cluster's keys cannot be had, so no token of a pod can be checked")


def key_set_at(place: str, *, authority: Path | None = None, bearer: Path | None = None) -> KeySet:
    """The set at an address, or in a file. `authority` holds the certificates by which the address is known, `bearer`
    the token to be shown there, read each time. Raises `InputInvalid`."""
    scheme = urlsplit(place).scheme
    if scheme in {"http", "https"}:
        return KeySet(lambda: fetch(place, authority, bearer))
    if scheme:
        raise InputInvalid(f"keys are found at an https address or in a file, not at {place!r}")
    return KeySet(Path(place).read_bytes)


def read_keys(document: bytes) -> dict[str, jwt.PyJWK]:
    """The keys of a set that can check signatures. Raises `ValueError`, `KeysUnavailable` where there is none."""
    if len(document) > MAX_BYTES:
        raise ValueError("the key set is too large to be one")
    found = orjson.loads(document)
    listed = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(listed, list) or len(listed) > MAX_KEYS:
        raise ValueError("this is no key set")
    keys: dict[str, jwt.PyJWK] = {}
    for each in listed:
        if not isinstance(each, dict) or each.get("kty") not in {"RSA", "EC"} or each.get("use", "sig") != "sig":
            continue  # a shared secret among public keys would let everyone sign
        try:
            keys[str(each["kid"])] = jwt.PyJWK(each)
        except (jwt.PyJWTError, KeyError, ValueError) as fault:
            LOG.warning("a key of the cluster cannot be used: %s", fault)
    if not keys:
        raise KeysUnavailable("the key set holds no key that could be used")
    return keys


def fetch(address: str, authority: Path | None, bearer: Path | None) -> bytes:
    """The document at an address, of bounded size. Raises `OSError`."""
    context = ssl.create_default_context(cafile=authority) if address.startswith("https:") else None
    request = urllib.request.Request(address, headers={"Accept": "application/jwk-set+json, application/json"})  # noqa: S310
    if bearer is not None:
        request.add_unredirected_header("Authorization", f"Bearer {bearer.read_text().strip()}")
    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), NoRedirects())
    with opener.open(request, timeout=FETCH_SECONDS) as answer:
        document: bytes = answer.read(MAX_BYTES + 1)
        return document


class NoRedirects(urllib.request.HTTPRedirectHandler):
    """Keys come from where they were asked for, or not at all."""

    def redirect_request(self, *_: object, **__: object) -> None:
        """Refuse: the answer is an error then."""
