"""A mail server and how one gets in; and the one that mail is handed to."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.frozen import dataclass
from intellyhub_engine.machine.step import Step
from intellyhub_functions.mail.keeping import Keeping
from intellyhub_functions.mail.tokens import AccessTokens, read_grant, tokens_of
from intellyhub_functions.network.tls import make_tls_context
from intellyhub_functions.parameters import find_text

__all__ = ["Account", "find_account", "find_encryption"]

DEFAULT_TIMEOUT_SECONDS = 30.0
TRUE_TEXTS = ("1", "true", "yes", "on")


@dataclass(frozen=True, kw_only=True)
class Account:
    """One server and one user of it."""

    server: str
    port: int
    username: str
    password: str = field(repr=False)
    tokens: AccessTokens | None
    """Where it is OAuth 2.0 instead of a password."""
    keeping: Keeping
    """For what these have to remember."""
    encryption: str
    """`tls` from the start, `starttls` where the server offers it, `required` STARTTLS, `none`."""
    tls: ssl.SSLContext = field(repr=False)
    timeout_seconds: float
    """For every single wait."""

    @property
    def name(self) -> str:
        """The server as messages name it."""
        return f"the mail server {self.server}:{self.port}"


def find_account(parameters: Mapping[str, Any], step: Step) -> Account:
    """The state's server, else that of SMTP_SERVER, SMTP_PORT, SMTP_USER, SMTP_PASSWORD (or their MAIL_ spellings)."""

    def setting(key: str, *names: str) -> str:
        return find_text(parameters, key, step.scope, *names)

    server = setting("server", "SMTP_SERVER", "SMTP_HOST", "MAIL_SERVER")
    if not server:
        raise PermanentError("no mail server is known; set the variable SMTP_SERVER")
    port = setting("port", "SMTP_PORT", "MAIL_PORT") or "587"
    if not port.isdigit():
        raise PermanentError(f"the mail server's port is {port!r}, not a number")
    grant = read_grant(parameters)
    return Account(
        server=server,
        port=int(port),
        username=setting("username", "SMTP_USER", "SMTP_USERNAME", "MAIL_USERNAME"),
        password=setting("password", "SMTP_PASSWORD", "MAIL_PASSWORD"),
        tokens=tokens_of(grant) if grant else None,
        keeping=Keeping(read=step.memory.read, write=step.memory.write, log=step.log),
        encryption=find_encryption(setting("tls", "SMTP_TLS", "MAIL_USE_TLS").lower(), int(port)),
        tls=make_tls_context(parameters, step.workspace),
        timeout_seconds=step.timeout_seconds or DEFAULT_TIMEOUT_SECONDS,
    )


def find_encryption(written: str, port: int) -> str:
    """What `tls` says: nothing means TLS on port 465 and STARTTLS where offered on every other. Raises PermanentError
    for what says nothing: it is not to mean less than its author thinks."""
    if port == 465 or written in ("tls", "ssl"):
        return "tls"
    if written in (*TRUE_TEXTS, "starttls", "required"):
        return "required"
    if written in ("0", "false", "no", "off", "none"):
        return "none"
    if written:
        raise PermanentError(f"tls is {written[:40]!r}; it is true, false or tls")
    return "starttls"
