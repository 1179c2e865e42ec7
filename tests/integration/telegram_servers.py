"""Two servers of the Bot API behind one face: ours, and telegram-test-api from npm."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import urllib3

from intellyhub_functions.testing.ports import free_port
from intellyhub_functions.testing.telegram_api import TelegramApi
from tests.integration.npm_packages import find_node, install_packages

__all__ = ["BotServer", "Double", "Emulator", "install_emulator", "open_emulator"]

TOKEN = "4242:local-bot"
CHAT = 7
FOLDER = Path(__file__).parent / "emulators"
USER = {"id": CHAT, "first_name": "Ada", "username": "ada", "is_bot": False}


class BotServer(Protocol):
    """What a test asks of a server."""

    url: str

    def write(self, text: str) -> None:
        """Write to the bot, as a user."""

    def press(self, data: str, message_id: int) -> None:
        """Press a button of the bot's message."""

    def messages(self) -> list[tuple[str, list[str]]]:
        """Text and button labels of each message of the bot, as the chat shows it now."""


class Double:
    """Ours."""

    def __init__(self, api: TelegramApi) -> None:
        self.api = api
        self.url = api.url

    def write(self, text: str) -> None:
        self.api.write(text, CHAT)

    def press(self, data: str, message_id: int) -> None:
        self.api.press(data, CHAT, message_id)

    def messages(self) -> list[tuple[str, list[str]]]:
        return [(message["text"], labels(message)) for message in self.api.sent]


class Emulator:
    """telegram-test-api, through the addresses that it has for clients."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._pool = urllib3.PoolManager(retries=False)

    def write(self, text: str) -> None:
        chat = {"id": CHAT, "type": "private", "first_name": "Ada"}
        self._ask("sendMessage", botToken=TOKEN, date=int(time.time()), text=text, chat=chat, **{"from": USER})

    def press(self, data: str, message_id: int) -> None:
        chat = {"id": CHAT, "type": "private"}
        message = {"message_id": message_id, "date": int(time.time()), "chat": chat, "text": "?", "from": USER}
        self._ask("sendCallback", botToken=TOKEN, message=message, data=data, **{"from": USER})

    def messages(self) -> list[tuple[str, list[str]]]:
        history = self._ask("getUpdatesHistory", token=TOKEN)
        sent = [entry["message"] for entry in history if "chat_id" in entry.get("message", {})]
        return [(message["text"], labels(message)) for message in sent]

    def _ask(self, path: str, **body: Any) -> Any:
        return self._pool.request("POST", f"{self.url}/{path}", json=body).json()["result"]


def labels(message: dict[str, Any]) -> list[str]:
    rows = (message.get("reply_markup") or {}).get("inline_keyboard", [])
    return [button["text"] for row in rows for button in row]


def install_emulator() -> Path:
    """The folder that the emulator runs in. Raises `LookupError` where it cannot be had."""
    return install_packages(FOLDER)


@contextlib.contextmanager
def open_emulator(folder: Path) -> Iterator[Emulator]:
    """Run the emulator that `install_emulator` installed, while the context lasts."""
    node, port = find_node(), free_port()
    with subprocess.Popen(
        [node, "telegram.cjs", str(port)], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline().strip() == b"ready", "telegram-test-api did not start"
            yield Emulator(f"http://127.0.0.1:{port}")
        finally:
            process.terminate()
