"""The server of the mailbox that is listened to, and how one gets in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.machine.source import SourceContext
from intellyhub_functions.mail.account import Account
from intellyhub_functions.mail.keeping import Keeping
from intellyhub_functions.mail.tokens import read_grant, tokens_of
from intellyhub_functions.network.tls import make_tls_context
from intellyhub_functions.parameters import find_text

__all__ = ["find_account"]


def find_account(parameters: Mapping[str, Any], context: SourceContext) -> Account:
    """The listener's server, else that of IMAP_SERVER, IMAP_USERNAME and IMAP_PASSWORD (or their EMAIL_ spellings)."""
    names = context.settings
    server = find_text(parameters, "server", names, "IMAP_SERVER")
    username = find_text(parameters, "username", names, "IMAP_USERNAME", "EMAIL_USERNAME")
    password = find_text(parameters, "password", names, "IMAP_PASSWORD", "EMAIL_PASSWORD")
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
        keeping=Keeping(read=context.cursors.get, write=context.cursors.put, log=context.log),
        encryption=encryption,
        tls=make_tls_context(parameters, context.workspace),
        timeout_seconds=float(parameters.get("timeout", 30)),
    )
