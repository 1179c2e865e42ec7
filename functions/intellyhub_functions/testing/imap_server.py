"""Real IMAP servers on loopback: pymap in a thread, which keeps its messages in memory, and Dovecot where the machine
has it."""

from __future__ import annotations

import asyncio
import contextlib
import grp
import os
import pwd
import shutil
import ssl
import subprocess
import tempfile
import time
from argparse import Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientError
from proxyprotocol.reader import ProxyProtocolReader
from proxyprotocol.version import ProxyProtocolVersion
from pymap.backend.dict import Config, DictBackend, Identity, Login
from pymap.exceptions import InvalidAuth
from pymap.imap import IMAPServer
from pysasl import SASLAuth
from pysasl.creds.external import ExternalCredentials, ExternalVerificationRequired
from pysasl.creds.server import ServerCredentials
from pysasl.hashing import BuiltinHash
from pysasl.mechanism.oauth import OAuth2Mechanism
from pysasl.mechanism.plain import PlainMechanism

from intellyhub_functions.testing.certificates import Certificate
from intellyhub_functions.testing.loop import LoopThread
from intellyhub_functions.testing.ports import free_port

__all__ = ["Dovecot", "ImapServer", "Postbox"]

USER = "flow@example.org"
PASSWORD = 'right pass"word'  # noqa: S105 - a test's
TOKEN = "fresh"  # noqa: S105
"""The access token that the server takes (XOAUTH2)."""
START_SECONDS = 10.0
SETTLE_SECONDS = 0.05
CONFIGURATION = """\
base_dir = {folder}/run
state_dir = {folder}/run
instance_name = test
log_path = {folder}/log
protocols = imap
listen = 127.0.0.1
default_internal_user = {owner}
default_internal_group = {group}
default_login_user = {mailbox}
mail_location = maildir:{folder}/mail
mail_uid = {mailbox}
mail_gid = {mailbox_group}
first_valid_uid = 0
ssl = required
ssl_cert = <{certificate.certificate}
ssl_key = <{certificate.key}
passdb {{
  driver = passwd-file
  args = {folder}/users
}}
userdb {{
  driver = static
  args = home={folder}/mail
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    port = {port}
    ssl = yes
  }}
}}
"""


class Postbox:
    """What tests do with a mailbox, over IMAP itself, so that it is the same for every server."""

    port: int
    user = USER
    password = PASSWORD
    token = TOKEN
    tls: ssl.SSLContext | None = None
    """For a client of a server that speaks TLS only."""
    certificate: Certificate | None = None
    """Of that server."""

    @contextlib.contextmanager
    def client(self, folder: str | None = None) -> Iterator[IMAPClient]:
        """A client that is logged in, in `folder` where one is named."""
        with IMAPClient(
            "127.0.0.1", self.port, ssl=self.tls is not None, ssl_context=self.tls, timeout=10
        ) as connection:
            connection.plain_login(self.user, self.password)
            if folder is not None:
                connection.select_folder(folder)
            yield connection

    def deliver(self, *messages: bytes, folder: str = "INBOX", flags: Sequence[bytes] = ()) -> None:
        """Put messages into a folder, as one more client."""
        with self.client() as connection:
            for message in messages:
                connection.append(folder, message, flags)

    def make_folder(self, folder: str) -> None:
        """Make a folder, in the place of one of this name."""
        with self.client() as connection:
            if connection.folder_exists(folder):
                connection.delete_folder(folder)
            connection.create_folder(folder)

    def flags(self, folder: str = "INBOX") -> list[bool]:
        """Of every message, whether it is marked as seen."""
        with self.client(folder) as connection:
            found = connection.fetch(connection.search(["ALL"]), ["FLAGS"])
            return [rb"\Seen" in found[uid][b"FLAGS"] for uid in sorted(found)]


class ImapServer(Postbox):
    """Serves while its context lasts; `stop` and `start` keep messages, port and UIDs."""

    def __init__(self, *, idle: bool = True, server_tls: ssl.SSLContext | None = None) -> None:
        self.port = free_port()
        self._thread = LoopThread()
        self._tls = server_tls
        self._idle = idle
        self._login: Login | None = None
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []

    def __enter__(self) -> ImapServer:
        self.start()
        return self

    def __exit__(self, *fault: object) -> None:
        self.stop()
        self._thread.close()

    def start(self) -> None:
        """Take connections."""
        self._thread.call(self._start())

    def stop(self) -> None:
        """Take none, and end those that there are."""
        self._thread.call(self._stop())

    async def _start(self) -> None:
        if self._login is None:
            self._login = await make_login(self._idle)
        serve = IMAPServer(self._login, self._login.config)
        read = make_reader(serve, self._writers)
        self._server = await asyncio.start_server(read, "127.0.0.1", self.port, ssl=self._tls)

    async def _stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await asyncio.sleep(SETTLE_SECONDS)  # a connection that was taken just now becomes one
            for writer in self._writers:
                writer.transport.abort()
            self._writers.clear()
            await asyncio.sleep(0)
            self._server = None


def make_reader(serve: IMAPServer, writers: list[asyncio.StreamWriter]) -> Any:
    """What takes a connection, and notes it among `writers`."""
    taken = ProxyProtocolReader(ProxyProtocolVersion.get(None)).get_callback(serve)

    async def read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await taken(reader, writer)

    return read


async def make_login(idle: bool) -> Login:
    """A mailbox with one user, in memory."""
    arguments = Namespace(passlib_cfg=None, proxy_protocol=None, inherited_sockets=None)
    config = OwnConfig(
        arguments,
        demo_data=False,
        demo_user=USER,
        demo_password=PASSWORD,
        host="127.0.0.1",
        port=0,
        tls_enabled=False,
        disable_idle=not idle,
        invalid_user_sleep=0.0,
        hash_context=BuiltinHash(rounds=1),
    )
    config.apply_context()
    login = OwnLogin(config)
    await DictBackend._add_demo_user(config, login)  # noqa: SLF001 - what pymap's own command does
    return login


class OwnConfig(Config):
    """With XOAUTH2 beside passwords."""

    @property
    def tls_auth(self) -> SASLAuth:
        return SASLAuth([PlainMechanism(), OAuth2Mechanism()])


class OwnLogin(Login):
    """Takes the token of this module as well as the password."""

    async def authenticate(self, credentials: ServerCredentials) -> Identity:
        if isinstance(credentials, ExternalCredentials):
            try:
                credentials.verify(None)
            except ExternalVerificationRequired as shown:
                if (credentials.authzid, shown.token) != (USER, TOKEN):
                    raise InvalidAuth from shown
            return Identity(USER, self, None, frozenset())
        return await super().authenticate(credentials)


class Dovecot(Postbox):
    """The same with Dovecot 2.3, as Debian 12 has it, in processes of its own: for whoever runs the tests."""

    program = shutil.which("dovecot") or shutil.which("dovecot", path="/usr/sbin:/usr/local/sbin")
    """None where the machine has none."""

    def __init__(self, certificate: Certificate) -> None:
        self.port = free_port()
        # A folder of its own: every start of pytest closes the one for temporary files to other users.
        self._folder = folder = Path(tempfile.mkdtemp(prefix="dovecot-"))
        self._process: subprocess.Popen[bytes] | None = None
        self.certificate = certificate
        self.tls = ssl.create_default_context(cafile=certificate.certificate)
        owner = pwd.getpwuid(os.getuid())
        group = grp.getgrgid(os.getgid()).gr_name
        mailbox = owner.pw_name if os.getuid() else "nobody"
        (folder / "mail").mkdir()
        if mailbox != owner.pw_name:
            shutil.chown(folder / "mail", mailbox)
            folder.chmod(0o755)
        (folder / "users").write_text(f"{USER}:{{PLAIN}}{PASSWORD}\n")
        (folder / "dovecot.conf").write_text(
            CONFIGURATION.format(
                folder=folder,
                port=self.port,
                owner=owner.pw_name,
                group=group,
                mailbox=mailbox,
                mailbox_group=grp.getgrgid(pwd.getpwnam(mailbox).pw_gid).gr_name,
                certificate=certificate,
            )
        )

    def __enter__(self) -> Dovecot:
        self.start()
        return self

    def __exit__(self, *fault: object) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        """Take connections."""
        assert self.program is not None
        command = [self.program, "-F", "-c", str(self._folder / "dovecot.conf")]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        ends = time.monotonic() + START_SECONDS
        while True:
            try:
                with self.client():
                    return
            except (OSError, IMAPClientError):
                if time.monotonic() > ends or self._process.poll() is not None:
                    raise
                time.sleep(0.05)

    def stop(self) -> None:
        """End it, and every connection."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(START_SECONDS)
            self._process = None
