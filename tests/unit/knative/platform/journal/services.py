"""A journal service in a thread of the test's process, on a clock that the test moves; on either database."""

import asyncio
import atexit
import functools
import shutil
import socket
import sqlite3
import tempfile
import threading
import time
from contextlib import ExitStack, closing
from pathlib import Path

import psycopg2
import pytest
import uvloop

from intellyhub_engine.journal.remote import RemoteJournal
from intellyhub_engine.journal.wire import GREETING_ID
from intellyhub_functions.testing.postgresql import postgresql
from intellyhub_knative.platform.journal.client import JournalClient
from intellyhub_knative.platform.journal.connection import Connection
from intellyhub_knative.platform.journal.house import House
from intellyhub_knative.platform.journal.postgres.dialect import translate
from intellyhub_knative.platform.journal.postgres.store import open_store
from intellyhub_knative.platform.journal.postgres.tables import SCHEMA
from intellyhub_knative.platform.journal.reception import Reception
from intellyhub_knative.platform.journal.server import open_far, open_near
from intellyhub_knative.platform.journal.settings import Settings
from intellyhub_knative.platform.journal.sqlite_store import SqliteStore
from intellyhub_knative.platform.journal.store import Store
from intellyhub_knative.platform.keys import Keys, Purpose

KEYS = Keys(b"k" * 32)
TENANT, OTHER_TENANT = "a" * 32, "c" * 32
DOOR, BELL = "1" * 32, "2" * 32
"""Flow ids of the first tenant."""
FLOW = f"{TENANT}/{DOOR}"


DATABASES = ("sqlite", pytest.param("postgresql", marks=pytest.mark.xdist_group("journal-postgresql")))


@functools.cache
def database_url():
    """The address of a database of a real server, which lives as long as the tests do."""
    stack = ExitStack()
    address = f"postgresql://postgres@/postgres?host={stack.enter_context(postgresql()).parent}"
    atexit.register(stack.close)
    with closing(psycopg2.connect(address)) as connection:
        connection.autocommit = True
        connection.cursor().execute("ALTER SYSTEM SET fsync = off")  # its data is thrown away anyway
        connection.cursor().execute("SELECT pg_reload_conf()")
    return address


def empty_database():
    """The same address, with nothing in the journal's tables: DELETE is ten times as fast as TRUNCATE here."""
    with closing(psycopg2.connect(database_url())) as connection, connection, connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", (SCHEMA,))
        kept = {"part", "ownership"}
        emptied = [f"DELETE FROM {SCHEMA}.{table}" for (table,) in cursor.fetchall() if table not in kept]
        cursor.execute("SELECT sequencename FROM pg_sequences WHERE schemaname = %s", (SCHEMA,))
        emptied += [f"SELECT setval('{SCHEMA}.{name}', 1, false)" for (name,) in cursor.fetchall()]
        if emptied:
            cursor.execute(";".join(emptied))
    return database_url()


def make_service(kind, clock, **options):
    """A service on one of `DATABASES`."""
    return Service(clock, empty_database() if kind == "postgresql" else None, **options)


class Service:
    """Open from construction to `stop`; `start` opens it again on the same database and address."""

    def __init__(self, clock, url=None, *, is_far=False, certificate=None, pods=None, desired=None):
        """`is_far`: it has a door on loopback's TCP too, whose address is `far`."""
        self.url = url
        self.is_far = is_far
        self.certificate = certificate
        self.port = 0
        self.pods, self.desired = pods, desired
        self.folder = Path(tempfile.mkdtemp(dir="/tmp"))
        self.path = self.folder / "journal.db"
        self.address = self.folder / "journal.sock"
        self.clock = clock
        self.start()

    def start(self):
        self.listening = socket.socket(socket.AF_UNIX)
        self.address.unlink(missing_ok=True)
        self.listening.bind(str(self.address))
        self.listening.listen()
        opened = threading.Event()
        self.thread = threading.Thread(target=lambda: uvloop.run(self.serve(opened)))
        self.thread.start()
        opened.wait()

    async def serve(self, opened):
        self.loop, self.ended = asyncio.get_running_loop(), asyncio.Event()
        self.reception = Reception(KEYS, pods=self.pods, desired=self.desired)
        store: Store
        if self.url is None:
            store = SqliteStore(self.path, self.loop)
        else:
            store = await open_store(self.url, threading.Event())
        self.reception.house = self.house = House(store, KEYS, now_ns=self.clock)
        servers = [await open_near(self.reception, self.listening)]
        if self.is_far:
            servers.append(await open_far(self.reception, self.settings()))
            self.port = servers[-1].sockets[0].getsockname()[1]
        opened.set()
        await self.ended.wait()
        for server in servers:
            server.close()
        await self.house.close()
        await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()}, return_exceptions=True)
        await asyncio.sleep(0)  # asyncio has accepted and closed who came meanwhile

    def settings(self):
        certificate, key = self.certificate or (None, None)
        return Settings(listen=("127.0.0.1", self.port), certificate=certificate, certificate_key=key)

    @property
    def far(self):
        """Its address in the network."""
        return f"http{'s' if self.certificate else ''}://127.0.0.1:{self.port}"

    def far_journal(self, token=None, **options):
        return RemoteJournal(self.far, token or KEYS.token(Purpose.JOURNAL), **options)

    def journal(self, token=None, **options):
        return RemoteJournal(self.address, token or KEYS.token(Purpose.JOURNAL), **options)

    def client(self, token=None, **options):
        return JournalClient(self.address, token or KEYS.token(Purpose.JOURNAL), **options)

    def lose_answers(self, monkeypatch, count=1):
        """Let the next answers be lost on their way: what was asked is done, and the connection breaks."""
        left, reply = [count], Connection.reply

        def lose(connection, frame_id, kind, answer):
            if frame_id == GREETING_ID or not left[0]:
                reply(connection, frame_id, kind, answer)
            else:
                left[0] -= 1
                connection._transport.abort()

        monkeypatch.setattr(Connection, "reply", lose)
        return left

    def ask(self, question):
        """What the database itself says."""
        if self.url is None:
            with closing(sqlite3.connect(self.path)) as connection:
                return connection.execute(question).fetchall()
        options = f"-c search_path={SCHEMA}"
        with closing(psycopg2.connect(self.url, options=options)) as connection, connection.cursor() as cursor:
            cursor.execute(translate(question))
            return cursor.fetchall()

    def connection_count(self):
        return len(self.house.connections)

    def until_watched(self, count=1):
        """Return when so many watch live."""
        deadline = time.monotonic() + 10
        while sum(map(len, self.house.feed._live.values())) != count:
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def unread_bytes(self):
        """What waits in the service for clients to read it."""
        return sum(one._transport.get_write_buffer_size() for one in self.house.connections)

    def stop_without_commit(self):
        """End as if by SIGKILL: what waits for the disk is lost."""
        self.loop.call_soon_threadsafe(self.house.store._queue.clear)
        self.stop()

    def stop(self):
        self.loop.call_soon_threadsafe(self.ended.set)
        self.thread.join()

    def remove(self):
        self.stop()
        shutil.rmtree(self.folder)
