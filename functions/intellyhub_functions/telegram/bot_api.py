"""Calls methods of the Bot API (https://core.telegram.org/bots/api#making-requests).

The token is part of every address, so no message of ours ever shows one.
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_functions.network.answers import retry_after
from intellyhub_functions.network.exchange import Request, Response, send
from intellyhub_functions.network.uploads import Upload, encode_form
from intellyhub_functions.parameters import find_address, find_secret

__all__ = ["DEFAULT_API_URL", "Bot", "BotRefused", "open_bot"]

DEFAULT_API_URL = "https://api.telegram.org"
MAX_FILE_BYTES = 20 * 1024 * 1024
"""What the Bot API lets a bot download. https://core.telegram.org/bots/api#getfile"""

MAX_DESCRIPTION_CHARACTERS = 500
MAX_RETRY_AFTER_SECONDS = 24 * 3600.0


class BotRefused(PermanentError):
    """Telegram refused a call for good; `code` is its error code, `description` its words."""

    def __init__(self, method: str, code: int, description: str) -> None:
        self.code = code
        self.description = description
        hint = "; the bot token is wrong" if code in (401, 404) else ""
        super().__init__(f"Telegram refuses {method}: {description} ({code}){hint}")


def open_bot(parameters: Mapping[str, Any], names: Mapping[str, Any], **limits: Any) -> Bot:
    """The bot of `bot_token` at `api_url`; what is not given the variables say. `limits` are fields of `Bot`."""
    token = find_secret(parameters, "bot_token", names, "TELEGRAM_BOT_TOKEN", "TELEGRAM_TOKEN")
    address = find_address(parameters, "api_url", names, "TELEGRAM_API_URL", DEFAULT_API_URL)
    return Bot(token=token, api_url=address, **limits)


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Bot:
    """One bot at one API server."""

    token: str
    api_url: str = DEFAULT_API_URL
    timeout_seconds: float = 30.0
    deadline_seconds: float | None = None
    cancelled: threading.Event | None = None

    def call(
        self,
        method: str,
        arguments: Mapping[str, Any],
        *,
        files: Mapping[str, Upload] | None = None,
        extra_seconds: float = 0.0,
    ) -> Any:
        """The result of a method. Raises BotRefused, RetryableError or what `send` raises.

        `extra_seconds` is added to the time limit: for calls that the server holds open.
        """
        given = {name: value for name, value in arguments.items() if value is not None}
        body, kind = encode_form(given, files) if files else (json.dumps(given).encode(), "application/json")
        response = send(
            Request(
                method="POST",
                url=f"{self.api_url}/bot{quote(self.token, safe=':')}/{method}",
                headers={"content-type": kind},
                body=body,
                timeout_seconds=self.timeout_seconds + extra_seconds,
                deadline_seconds=self.deadline_seconds,
                cancelled=self.cancelled,
                called=f"Telegram's {method}",
                max_redirects=0,
            )
        )
        return read_answer(method, response)

    def locate(self, file_id: str) -> str:
        """Where the server has a file. https://core.telegram.org/bots/api#getfile."""
        told = self.call("getFile", {"file_id": file_id})
        if not isinstance(told, Mapping) or not isinstance(told.get("file_path"), str):
            raise PermanentError("Telegram's getFile gave no path")
        return str(told["file_path"])

    def download(self, file_path: str) -> bytes:
        """The content of a file that was located."""
        response = send(
            Request(
                method="GET",
                url=f"{self.api_url}/file/bot{quote(self.token, safe=':')}/{quote(file_path)}",
                timeout_seconds=self.timeout_seconds,
                deadline_seconds=self.deadline_seconds,
                cancelled=self.cancelled,
                called="Telegram's file",
                max_redirects=0,
                max_body_bytes=MAX_FILE_BYTES,
            )
        )
        if response.status == 200:
            return response.body
        message = f"Telegram does not give the file ({response.status})"
        if response.status == 429 or response.status >= 500:
            raise RetryableError(message, retry_after_seconds=retry_after(response))
        raise PermanentError(message)


def read_answer(method: str, response: Response) -> Any:
    """The `result` of an answer, or the error it tells of."""
    try:
        answer = json.loads(response.body)
    except (ValueError, RecursionError):
        answer = None
    told = answer if isinstance(answer, dict) else {}
    if told.get("ok"):
        return told.get("result")
    code = told.get("error_code") if isinstance(told.get("error_code"), int) else response.status
    assert isinstance(code, int)
    description = str(told.get("description", "an answer that is not the Bot API's"))[:MAX_DESCRIPTION_CHARACTERS]
    if code == 429 or code >= 500:
        message = f"Telegram puts {method} off: {description} ({code})"
        raise RetryableError(message, retry_after_seconds=pause_of(told.get("parameters")))
    raise BotRefused(method, code, description)


def pause_of(parameters: Any) -> float | None:
    """The seconds to wait that a refusal names. https://core.telegram.org/bots/api#responseparameters."""
    seconds = parameters.get("retry_after") if isinstance(parameters, dict) else None
    if not isinstance(seconds, int | float) or not math.isfinite(seconds):
        return None
    return min(max(float(seconds), 0.0), MAX_RETRY_AFTER_SECONDS)
