"""A journal service in a thread of the test's process, on a clock that the test moves."""

import asyncio
import shutil
import socket
import sqlite3
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path

import uvloop

from intellyhub_engine.journal.remote import RemoteJournal
from intellyhub_engine.journal.wire import GREETING_ID
from intellyhub_knative.platform.journal.client import JournalClient
from intellyhub_knative.platform.journal.connection import Connection
from intellyhub_knative.platform.journal.server import open_service
from intellyhub_knative.platform.keys import Keys, Purpose

KEYS = Keys(b"k" * 32)
TENANT, OTHER_TENANT = "a" * 32, "c" * 32
DOOR, BELL = "1" * 32, "2" * 32
"""Flow ids of the first tenant."""
FLOW = f"{TENANT}/{DOOR}"


class Service:
    """Open from construction to `stop`; `start` opens it again on the same database and address."""

    def __init__(self, clock):
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
        self.house, server = await open_service(self.path, KEYS, self.listening, now_ns=self.clock)
        opened.set()
        await self.ended.wait()
        server.close()
        await self.house.close()
        await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()}, return_exceptions=True)
        await asyncio.sleep(0)  # asyncio has accepted and closed who came meanwhile

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
        with closing(sqlite3.connect(self.path)) as connection:
            return connection.execute(question).fetchall()

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
