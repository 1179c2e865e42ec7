"""How a request proves who sent it: by the secret itself, or by a signature over its raw body made with it.

| style | header | what is signed |
|---|---|---|
| `github` | X-Hub-Signature-256: sha256=HEX | the body |
| `gitlab` | X-Gitlab-Token: SECRET, or the three of `standard` | nothing, or as there |
| `slack` | X-Slack-Signature: v0=HEX, X-Slack-Request-Timestamp | `v0:TIME:BODY` |
| `stripe` | Stripe-Signature: t=TIME,v1=HEX[,v1=HEX] | `TIME.BODY` |
| `standard` | webhook-signature: v1,BASE64 [v1,BASE64], webhook-id, webhook-timestamp | `ID.TIME.BODY` |

https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
https://docs.gitlab.com/user/project/integrations/webhooks/
https://docs.slack.dev/authentication/verifying-requests-from-slack/
https://docs.stripe.com/webhooks#verify-manually
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.language.values.values import text_of

__all__ = ["Proven", "Style", "Verify", "hide_secret", "make_verify"]

Headers = Mapping[str, str]
"""Lower-case names; values are the bytes of the wire, read as Latin-1."""


class Proven(NamedTuple):
    """The request is genuine."""

    id: str | None = None
    """What names this delivery and cannot be changed without breaking the proof; None where nothing signed does."""
    field: str | None = None
    """The field of the signed body that names it better: the same for every attempt."""


Verify = Callable[[Headers, bytes, float], Proven | None]
"""`verify(headers, body, now_seconds)`: None for a request that is not genuine, or that comes too late."""


class Style(StrEnum):
    ANY = "any"  # what a bare `secret` means: shown, or signing the body
    GITHUB = "github"
    GITLAB = "gitlab"
    SLACK = "slack"
    STRIPE = "stripe"
    STANDARD = "standard"


SHOWN = ("x-webhook-secret", "x-gitlab-token", "x-telegram-bot-api-secret-token")
SIGNED = ("x-hub-signature-256", "x-signature-256", "x-signature")
ALGORITHMS = ("sha256", "sha512", "sha384", "sha1")
ENCODINGS = ("hex", "base64")
OWN_KEYS = ("header", "algorithm", "encoding", "prefix", "timestamp_header", "separator")
TIME = re.compile(r"[0-9]{1,12}")
PREFIX = "whsec_"
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")


def make_verify(written: Any, secret: str, replay_seconds: float) -> Verify:
    """The check that a listener's `signature` asks for. Raises PermanentError with what cannot be meant."""
    key = secret.encode()
    if isinstance(written, Mapping):
        return make_own(written, secret, replay_seconds)
    name = text_of(written).strip().lower() or Style.ANY.value
    if name not in [style.value for style in Style]:
        raise PermanentError(f"signature: {name[:40]!r} is none of {', '.join(Style)}, nor an object with `header`")
    checks: dict[str, Verify] = {
        Style.ANY: lambda headers, body, now: any_proof(headers, body, key),
        Style.GITHUB: lambda headers, body, now: plain(headers, body, key, ("x-hub-signature-256",)),
        Style.GITLAB: lambda headers, body, now: (
            standard(headers, body, secret, now, replay_seconds)
            if "webhook-signature" in headers
            else shown(headers, key, ("x-gitlab-token",))
        ),
        Style.SLACK: lambda headers, body, now: slack(headers, body, key, now, replay_seconds),
        Style.STRIPE: lambda headers, body, now: stripe(headers, body, key, now, replay_seconds),
        Style.STANDARD: lambda headers, body, now: standard(headers, body, secret, now, replay_seconds),
    }
    return checks[name]


def hide_secret(headers: Headers, secret: str) -> dict[str, str]:
    """The headers without any that shows the secret, alone or after a scheme."""
    wire = secret.encode().decode("latin-1")
    return {name: value for name, value in headers.items() if value.rpartition(" ")[2] != wire and value != wire}


def any_proof(headers: Headers, body: bytes, key: bytes) -> Proven | None:
    """Shown in one of the usual headers or as a bearer token, or signing the body."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    bearer = {"authorization": token.strip() if scheme.lower() == "bearer" else scheme}
    return shown(headers, key, SHOWN) or shown(bearer, key, ("authorization",)) or plain(headers, body, key, SIGNED)


def shown(headers: Headers, key: bytes, names: Iterable[str]) -> Proven | None:
    """The secret itself stands in one of the headers."""
    return Proven() if same([headers.get(name, "") for name in names], key) else None


def plain(headers: Headers, body: bytes, key: bytes, names: Iterable[str]) -> Proven | None:
    """One of the headers holds the hexadecimal HMAC-SHA256 of the body."""
    wanted = hmac.digest(key, body, "sha256").hex().encode()
    given = [headers.get(name, "").removeprefix("sha256=").lower() for name in names]
    return Proven() if same(given, wanted) else None


def slack(headers: Headers, body: bytes, key: bytes, now: float, replay_seconds: float) -> Proven | None:
    """Slack's `v0`."""
    stamp = headers.get("x-slack-request-timestamp", "")
    wanted = hmac.digest(key, b"v0:" + stamp.encode("latin-1") + b":" + body, "sha256").hex()
    genuine = same([headers.get("x-slack-signature", "")], b"v0=" + wanted.encode())
    return Proven(id=f"slack-{wanted}", field="event_id") if genuine and is_recent(stamp, now, replay_seconds) else None


def stripe(headers: Headers, body: bytes, key: bytes, now: float, replay_seconds: float) -> Proven | None:
    """Stripe's `v1`: several while a secret is being replaced. Other schemes do not count."""
    parts = [part.strip().partition("=") for part in headers.get("stripe-signature", "").split(",")]
    stamp = next((value for name, _, value in parts if name == "t"), "")
    wanted = hmac.digest(key, stamp.encode("latin-1") + b"." + body, "sha256").hex()
    genuine = same([value for name, _, value in parts if name == "v1"], wanted.encode())
    return Proven(id=f"stripe-{wanted}", field="id") if genuine and is_recent(stamp, now, replay_seconds) else None


def standard(headers: Headers, body: bytes, secret: str, now: float, replay_seconds: float) -> Proven | None:
    """Standard Webhooks, which Svix and GitLab's signing tokens use too."""
    name, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    content = f"{name}.{stamp}.".encode("latin-1") + body
    given = [part.partition(",") for part in headers.get("webhook-signature", "").split()]
    signatures = [value for version, _, value in given if version == "v1"]
    known = [same(signatures, base64.b64encode(hmac.digest(key, content, "sha256"))) for key in keys_of(secret)]
    return Proven(id=name) if any(known) and name and is_recent(stamp, now, replay_seconds) else None


def keys_of(secret: str) -> tuple[bytes, ...]:
    """The key that Standard Webhooks writes as Base64 after `whsec_`; without that prefix also the text as it is."""
    try:
        decoded = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return (secret.encode(),)
    if secret.startswith(PREFIX):
        return (decoded,)
    return (decoded, secret.encode()) if decoded else (secret.encode(),)


def make_own(written: Mapping[str, Any], secret: str, replay_seconds: float) -> Verify:
    """A signature that the author describes: `header`, `algorithm`, `encoding`, `prefix`, and with `timestamp_header`
    a signed time before the body, with `separator` between them."""
    options = {name: text_of(value) for name, value in written.items() if value is not None}
    if list(options) == ["style"]:
        return make_verify(options["style"], secret, replay_seconds)
    unknown = [name for name in options if name not in OWN_KEYS]
    header, stamp_header = options.get("header", "").lower(), options.get("timestamp_header", "").lower()
    algorithm = options.get("algorithm", "sha256").lower().replace("-", "")
    encoding = options.get("encoding", "hex").lower()
    if unknown:
        raise PermanentError(f"signature: {unknown[0][:40]!r} is none of {', '.join(OWN_KEYS)}")
    if not HEADER_NAME.fullmatch(header) or (stamp_header and not HEADER_NAME.fullmatch(stamp_header)):
        raise PermanentError("signature: `header` and `timestamp_header` are names of headers")
    if algorithm not in ALGORITHMS or encoding not in ENCODINGS:
        raise PermanentError(
            f"signature: `algorithm` is one of {', '.join(ALGORITHMS)}, `encoding` one of {', '.join(ENCODINGS)}"
        )
    key, prefix, separator = secret.encode(), options.get("prefix", ""), options.get("separator", ".").encode()

    def verify(headers: Headers, body: bytes, now: float) -> Proven | None:
        stamp = headers.get(stamp_header, "") if stamp_header else ""
        content = stamp.encode("latin-1") + separator + body if stamp_header else body
        digest = hmac.digest(key, content, algorithm)
        given = headers.get(header, "").strip()
        if encoding == "hex":
            genuine = same([given.lower()], prefix.lower().encode() + digest.hex().encode())
        else:
            genuine = same([given], prefix.encode() + base64.b64encode(digest))
        if not genuine or (stamp_header and not is_recent(stamp, now, replay_seconds)):
            return None
        return Proven(id=f"signed-{digest.hex()}" if stamp_header else None)

    return verify


def same(given: Iterable[str], wanted: bytes) -> bool:
    """Whether one of the values is the wanted one. Constant in time; nothing is the same as an empty one."""
    found = [hmac.compare_digest(value.encode("latin-1", "replace"), wanted) for value in given]
    return bool(wanted) and any(found)


def is_recent(stamp: str, now: float, replay_seconds: float) -> bool:
    """Whether a time in Unix seconds is within the window, into the past and into the future."""
    return TIME.fullmatch(stamp) is not None and abs(now - int(stamp)) <= replay_seconds
