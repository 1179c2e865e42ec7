"""A Bot API server: keeps what bots send, gives them the messages and presses of buttons that a test writes.

It refuses what Telegram refuses: a wrong token, an empty or too long text, marks that do not close, a message that is
not there. `tests/integration/test_telegram_contract.py` holds it against another's emulator.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from typing import Any

from intellyhub_functions.testing.forms import SentFile, read_arguments
from intellyhub_functions.testing.server import Answer, Call, LocalServer
from intellyhub_functions.testing.telegram_messages import (
    CHAT_ACTIONS,
    MEDIA,
    Refusal,
    check_markup,
    check_text,
    make_file,
    make_message,
    read_json,
)

__all__ = ["TelegramApi"]

LOOK_SECONDS = 0.02


class TelegramApi(LocalServer):
    """A Bot API for one bot. `sent` holds its messages as they are now: the arguments they were sent with, their
    `message_id`, and for a file what Telegram tells of it."""

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
        self.answered: list[dict[str, Any]] = []
        """Arguments of answerCallbackQuery."""
        self.actions: list[dict[str, Any]] = []
        """Arguments of sendChatAction."""
        self.webhook: dict[str, Any] = {}
        """Arguments of setWebhook; empty while there is none."""
        self.webhook_error: dict[str, Any] = {}
        """What getWebhookInfo tells of the last delivery that failed."""
        self.failures: list[dict[str, Any]] = []
        """Answers given instead to the next calls that send, edit, delete or answer, first one first."""
        self.files: dict[str, bytes] = {}
        """file_id -> content, for getFile."""
        self._numbers = itertools.count(1001)
        self._updates: list[dict[str, Any]] = []
        self._lock = threading.RLock()
        self._on_message = on_message

    def write(self, text: str | None = None, chat_id: int = 7, **fields: Any) -> int:
        """Write a message to the bot, as a user would; gives the update's number."""
        number = next(self._numbers)
        said = {"text": text} if text is not None else {}
        return self.give({"message": {"message_id": number, **make_author(chat_id), **said, **fields}}, number)

    def press(self, data: str, chat_id: int = 7, message_id: int = 1, **fields: Any) -> int:
        """Press a button of a message of the bot; gives the update's number."""
        number = next(self._numbers)
        message = {"message_id": message_id, **make_author(chat_id), "text": "?"}
        query = {"id": f"q{number}", "from": message["from"], "message": message, "data": data, **fields}
        return self.give({"callback_query": query}, number)

    def give(self, update: dict[str, Any], number: int | None = None) -> int:
        """Let the bot have this update, whatever it holds; gives its number."""
        number = next(self._numbers) if number is None else number
        with self._lock:
            self._updates.append({"update_id": number, **update})
        return number

    def answer(self, call: Call) -> Answer:
        path = call.path.partition("?")[0].strip("/")
        if path.startswith(f"file/bot{self.token}/"):
            content = self.files.get(path.rpartition("/")[2])
            return Answer(status=404) if content is None else Answer(body=content)
        bot, _, method = path.partition("/")
        if bot != f"bot{self.token}":
            return refuse(401, "Unauthorized")
        arguments, files = read_arguments(call)
        try:
            return self._answer(method, arguments, files)
        except Refusal as refusal:
            return refuse(refusal.code, refusal.description)

    def _answer(self, method: str, arguments: dict[str, Any], files: dict[str, SentFile]) -> Answer:
        if method == "getUpdates":
            return accept(self._wait(arguments))
        if method == "getFile" and arguments.get("file_id") in self.files:
            return accept({"file_id": arguments["file_id"], "file_path": arguments["file_id"]})
        if method == "getMe":
            return accept({"id": 4242, "is_bot": True, "first_name": "Local", "username": "local_bot"})
        if method in ("setWebhook", "deleteWebhook", "getWebhookInfo"):
            return accept(self._hook(method, arguments))
        if self.failures:
            failure = self.failures.pop(0)
            return Answer.of_json({"ok": False, **failure}, failure["error_code"])
        with self._lock:
            if method == "sendMessage":
                return self._send(arguments)
            if method in MEDIA:
                return self._send_file(MEDIA[method], arguments, files)
            if method == "sendMediaGroup":
                return self._send_album(arguments, files)
            if method.startswith("editMessage"):
                return self._edit(method, arguments, files)
            if method == "deleteMessage":
                self.sent.remove(self._find(arguments, "Bad Request: message to delete not found"))
                return accept(True)
            return self._act(method, arguments)

    def _act(self, method: str, arguments: dict[str, Any]) -> Answer:
        if method == "answerCallbackQuery":
            if not arguments.get("callback_query_id", "").startswith("q"):
                raise Refusal("Bad Request: query is too old and response timeout expired or query ID is invalid")
            self.answered.append(arguments)
            return accept(True)
        if method == "sendChatAction":
            if arguments.get("action") not in CHAT_ACTIONS:
                raise Refusal("Bad Request: wrong parameter action in request")
            self.actions.append(arguments)
            return accept(True)
        raise Refusal("Not Found", 404)

    def _send(self, arguments: dict[str, Any]) -> Answer:
        check_text(arguments.get("text", ""), arguments.get("parse_mode"))
        return accept(make_message(self._keep(arguments)))

    def _send_file(self, kind: str, arguments: dict[str, Any], files: dict[str, SentFile]) -> Answer:
        check_text(arguments.get("caption", ""), arguments.get("parse_mode"), caption=True)
        told = make_file(kind, arguments.get(kind), files, self.files)
        return accept(make_message(self._keep({**arguments, kind: told})))

    def _send_album(self, arguments: dict[str, Any], files: dict[str, SentFile]) -> Answer:
        items = read_json(arguments["media"])
        if not 2 <= len(items) <= 10:
            raise Refusal("Bad Request: wrong number of items in media group")
        kept = []
        for item in items:
            check_text(item.get("caption", ""), item.get("parse_mode"), caption=True)
            told = make_file(item["type"], item["media"], files, self.files)
            caption = {"caption": item["caption"]} if "caption" in item else {}
            kept.append(self._keep({"chat_id": arguments["chat_id"], item["type"]: told, **caption}))
        return accept([make_message(message) for message in kept])

    def _keep(self, arguments: dict[str, Any]) -> dict[str, Any]:
        markup = check_markup(arguments.get("reply_markup"))
        message = {"message_id": 1 + max((message["message_id"] for message in self.sent), default=0), **arguments}
        if markup is not None:
            message["reply_markup"] = markup
        self.sent.append(message)
        if self._on_message is not None:
            self._on_message(message)
        return message

    def _edit(self, method: str, arguments: dict[str, Any], files: dict[str, SentFile]) -> Answer:
        message = self._find(arguments, "Bad Request: message to edit not found")
        changed = {name: value for name, value in arguments.items() if name in ("text", "caption", "parse_mode")}
        if method == "editMessageText":
            check_text(arguments.get("text", ""), arguments.get("parse_mode"))
        if method == "editMessageMedia":
            media = read_json(arguments["media"])
            changed[media["type"]] = make_file(media["type"], media["media"], files, self.files)
            changed |= {"caption": media["caption"]} if "caption" in media else {}
        changed["reply_markup"] = check_markup(arguments.get("reply_markup"))
        if all(message.get(name) == value for name, value in changed.items()):
            raise Refusal("Bad Request: message is not modified: specified new message content is the same")
        message.update(changed)
        return accept(make_message(message))

    def _find(self, arguments: dict[str, Any], otherwise: str) -> dict[str, Any]:
        wanted = str(arguments.get("chat_id")), str(arguments.get("message_id"))
        for message in self.sent:
            if (str(message["chat_id"]), str(message["message_id"])) == wanted:
                return message
        raise Refusal(otherwise)

    def _hook(self, method: str, arguments: dict[str, Any]) -> Any:
        if method == "getWebhookInfo":
            waiting = {"pending_update_count": len(self._updates)}
            return {"url": self.webhook.get("url", ""), **waiting, **self.webhook_error}
        if arguments.get("drop_pending_updates"):
            self._updates.clear()
        self.webhook = arguments if method == "setWebhook" else {}
        return True

    def _wait(self, arguments: dict[str, Any]) -> list[dict[str, Any]]:
        """The updates from `offset` on; a negative one counts from the end. Those before it are forgotten."""
        if self.webhook:
            raise Refusal("Conflict: can't use getUpdates method while webhook is active", 409)
        ends = time.monotonic() + float(arguments.get("timeout", 0))
        offset, limit = int(arguments.get("offset", 0)), int(arguments.get("limit", 100))
        wanted = arguments.get("allowed_updates")
        while True:
            with self._lock:
                if offset < 0:
                    self._updates = self._updates[offset:]
                else:
                    self._updates = [update for update in self._updates if update["update_id"] >= offset]
                given = [update for update in self._updates if not wanted or wanted_by(update, wanted)]
                if given or time.monotonic() >= ends:
                    return given[:limit]
            time.sleep(LOOK_SECONDS)


def make_author(chat_id: int) -> dict[str, Any]:
    return {
        "date": int(time.time()),
        "chat": {"id": chat_id, "type": "private"},
        "from": {"id": chat_id, "first_name": "Ada", "username": "ada"},
    }


def wanted_by(update: dict[str, Any], wanted: list[str]) -> bool:
    """Whether an update is of a kind that was asked for; one that is malformed always is."""
    kinds = update.keys() - {"update_id"}
    return not kinds or bool(kinds & set(wanted)) or not kinds <= {"message", "callback_query"}


def accept(result: Any) -> Answer:
    return Answer.of_json({"ok": True, "result": result})


def refuse(code: int, description: str) -> Answer:
    return Answer.of_json({"ok": False, "error_code": code, "description": description}, code)
