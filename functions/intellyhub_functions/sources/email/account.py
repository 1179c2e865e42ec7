"""The mailbox that is listened to, and how one gets in."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.frozen import dataclass
from intellyhub_engine.language.values.values import text_of
from intellyhub_engine.machine.source import SourceContext
from intellyhub_functions.mail.tokens import AccessTokens, read_grant, tokens_of
from intellyhub_functions.network.tls import make_tls_context

__all__ = ["Account", "find_account"]


@dataclass(frozen=True, kw_only=True)
class Account:
    """A mailbox, and how one gets in."""

    server: str
    port: int
    username: str
    password: str = field(repr=False)
    tokens: AccessTokens | None
    """Where it is OAuth 2.0 instead of a password."""
    folder: str
    encryption: str
    """`tls` from the start, `starttls` where the server offers it, `required` STARTTLS, `none`."""
    tls: ssl.SSLContext = field(repr=False)
    read_only: bool
    timeout_seconds: float
    """For every single wait."""

    @property
    def name(self) -> str:
        """The server as messages name it."""
        return f"the mail server {self.server}:{self.port}"


def find_account(parameters: Mapping[str, Any], context: SourceContext) -> Account:
    """The listener's server, else that of IMAP_SERVER, IMAP_USERNAME and IMAP_PASSWORD (or their EMAIL_ spellings)."""

    def setting(key: str, *names: str) -> str:
        found = (parameters.get(key), *(context.settings.get(name) for name in names))
        return text_of(next((value for value in found if value not in (None, "")), None)).strip()

    server = setting("server", "IMAP_SERVER")
    username = setting("username", "IMAP_USERNAME", "EMAIL_USERNAME")
    password = setting("password", "IMAP_PASSWORD", "EMAIL_PASSWORD")
    grant = read_grant(parameters)
    if not server or not username or not (password or grant):
        raise PermanentError("the email listener needs server, username, and password, access_token or oauth2")
    if parameters.get("use_ssl", True):
        encryption = "tls"
    else:
        encryption = {None: "starttls", True: "required", False: "none"}[parameters.get("starttls")]
    return Account(
        server=server,
        port=int(parameters.get("port") or (993 if encryption == "tls" else 143)),
        username=username,
        password=password,
        tokens=tokens_of(grant) if grant else None,
        folder=text_of(parameters.get("folder") or "INBOX"),
        encryption=encryption,
        tls=make_tls_context(parameters, context.workspace),
        read_only=not parameters.get("mark_seen", True),
        timeout_seconds=float(parameters.get("timeout", 30)),
    )
