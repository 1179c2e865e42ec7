"""A Bot API server: keeps what bots send, gives them the messages that a test writes.

It refuses what Telegram refuses: a wrong token, an empty or too long text, marks that do not close.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from typing import Any

from intellyhub_functions.telegram.text import MAX_UNITS
from intellyhub_functions.testing.marks import fault_in_marks
from intellyhub_functions.testing.server import Answer, Call, LocalServer

__all__ = ["TelegramApi"]

LOOK_SECONDS = 0.02


class TelegramApi(LocalServer):
    """A Bot API for one bot. `sent` holds what it sent, as sendMessage's arguments with their `message_id`."""

    def __init__(
        self,
        token: str = "4242:local-bot",  # noqa: S107 - of no real bot
        host: str = "127.0.0.1",
        port: int = 0,
        on_message: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        super().__init__(host, port)
        self.token = token
        self.sent: list[dict[str, Any]] = []
        self.failures: list[dict[str, Any]] = []
        """Answers given to the next calls of sendMessage instead, first one first."""
        self.files: dict[str, bytes] = {}
        """file_id -> content, for getFile."""
        self._numbers = itertools.count(1001)
        self._updates: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self._on_message = on_message

    def write(self, text: str | None = None, chat_id: int = 7, **fields: Any) -> int:
        """Write a message to the bot, as a user would; gives the update's number."""
        with self._lock:
            number = next(self._numbers)
            message = {
                "message_id": number,
                "date": int(time.time()),
                "chat": {"id": chat_id, "type": "private"},
                "from": {"id": chat_id, "first_name": "Ada", "username": "ada"},
                **({"text": text} if text is not None else {}),
                **fields,
            }
            self._updates.append({"update_id": number, "message": message})
        return number

    def answer(self, call: Call) -> Answer:
        path = call.path.strip("/")
        if path.startswith(f"file/bot{self.token}/"):
            content = self.files.get(path.rpartition("/")[2])
            return Answer(status=404) if content is None else Answer(body=content)
        bot, _, method = path.partition("/")
        if bot != f"bot{self.token}":
            return refuse(401, "Unauthorized")
        arguments = call.json() or {}
        if method == "sendMessage":
            return self._send(arguments)
        if method == "getUpdates":
            return accept(self._wait(arguments))
        if method == "getFile" and arguments.get("file_id") in self.files:
            return accept({"file_id": arguments["file_id"], "file_path": arguments["file_id"]})
        if method == "getMe":
            return accept({"id": 4242, "is_bot": True, "first_name": "Local", "username": "local_bot"})
        return refuse(404, "Not Found")

    def _send(self, arguments: dict[str, Any]) -> Answer:
        if self.failures:
            failure = self.failures.pop(0)
            return Answer.of_json({"ok": False, **failure}, failure["error_code"])
        text = arguments.get("text", "")
        if not text.strip():
            return refuse(400, "Bad Request: message text is empty")
        if len(text.encode("utf-16-le")) // 2 > MAX_UNITS:
            return refuse(400, "Bad Request: message is too long")
        fault = fault_in_marks(text, arguments.get("parse_mode"))
        if fault:
            return refuse(400, f"Bad Request: can't parse entities: {fault}")
        with self._lock:
            message = {"message_id": len(self.sent) + 1, **arguments}
            self.sent.append(message)
        if self._on_message is not None:
            self._on_message(message)
        chat = {"id": arguments.get("chat_id"), "type": "private"}
        return accept({"message_id": message["message_id"], "date": int(time.time()), "chat": chat, "text": text})

    def _wait(self, arguments: dict[str, Any]) -> list[dict[str, Any]]:
        """The updates from `offset` on; a negative one counts from the end. Those before it are forgotten."""
        ends = time.monotonic() + arguments.get("timeout", 0)
        offset, limit = arguments.get("offset", 0), arguments.get("limit", 100)
        while True:
            with self._lock:
                if offset < 0:
                    self._updates = self._updates[offset:]
                else:
                    self._updates = [update for update in self._updates if update["update_id"] >= offset]
                if self._updates or time.monotonic() >= ends:
                    return self._updates[:limit]
            time.sleep(LOOK_SECONDS)


def accept(result: Any) -> Answer:
    return Answer.of_json({"ok": True, "result": result})


def refuse(code: int, description: str) -> Answer:
    return Answer.of_json({"ok": False, "error_code": code, "description": description}, code)
