"""WeChat Work: tokens that end, messages that are kept, and its refusals.

Written from https://developer.work.weixin.qq.com/document/path/91039 (gettoken), 90236 (message/send), 90313 (codes).
"""

from __future__ import annotations

import itertools
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from intellyhub_functions.testing.server import Answer, Call, LocalServer

__all__ = ["WeChatApi"]

KINDS = {"text": ("content",), "markdown": ("content",), "textcard": ("title", "description", "url")}


class WeChatApi(LocalServer):
    """One company, one application; `sent` holds its messages. Ids and secrets that begin with "bad" are refused."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0, lasts_seconds: int = 7200) -> None:
        super().__init__(host, port)
        self.sent: list[dict[str, Any]] = []
        self.lasts_seconds = lasts_seconds
        self.tokens: list[str] = []
        """Every token given; the last one is valid unless `expire` was called."""
        self.failures: list[dict[str, Any]] = []
        """Answers given instead to the next messages, first one first."""
        self._numbers = itertools.count(1)
        self._valid: set[str] = set()

    def expire(self) -> None:
        """End every token, as WeChat Work does when a secret is changed."""
        self._valid.clear()

    def answer(self, call: Call) -> Answer:
        parts = urlsplit(call.path)
        query = dict(parse_qsl(parts.query))
        if (call.method, parts.path) == ("GET", "/cgi-bin/gettoken"):
            return Answer.of_json(self._give_token(query))
        if (call.method, parts.path) == ("POST", "/cgi-bin/message/send"):
            return Answer.of_json(self._send(query, call.json()))
        return Answer(status=404)

    def _give_token(self, query: dict[str, str]) -> dict[str, Any]:
        if query.get("corpid", "bad").startswith("bad"):
            return refuse(40013, "invalid corpid")
        if query.get("corpsecret", "bad").startswith("bad"):
            return refuse(40001, "invalid credential")
        token = f"token-{next(self._numbers)}"
        self.tokens.append(token)
        self._valid.add(token)
        return {"errcode": 0, "errmsg": "ok", "access_token": token, "expires_in": self.lasts_seconds}

    def _send(self, query: dict[str, str], message: dict[str, Any]) -> dict[str, Any]:
        if query.get("access_token") not in self._valid:
            known = query.get("access_token") in self.tokens
            return refuse(42001, "access_token expired") if known else refuse(40014, "invalid access_token")
        if self.failures:
            return self.failures.pop(0)
        if not isinstance(message.get("agentid"), int):
            return refuse(40056, "invalid agentid")
        if message.get("msgtype") not in KINDS:
            return refuse(40008, "invalid message type")
        content = message.get(message["msgtype"], {})
        if not all(content.get(name) for name in KINDS[message["msgtype"]]):
            return refuse(44004, "empty content")
        receivers = message.get("touser"), message.get("toparty"), message.get("totag")
        if not any(receivers):
            return refuse(40003, "invalid userid")
        if message.get("enable_duplicate_check") and any(
            without_check(kept) == without_check(message) for kept in self.sent
        ):
            return {"errcode": 0, "errmsg": "ok", "msgid": "duplicate"}
        self.sent.append(message)
        unknown = [name for name in (message.get("touser") or "").split("|") if name.startswith("nobody")]
        return {"errcode": 0, "errmsg": "ok", "invaliduser": "|".join(unknown), "msgid": f"m{len(self.sent)}"}


def without_check(message: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in message.items() if "duplicate" not in name}


def refuse(code: int, message: str) -> dict[str, Any]:
    return {"errcode": code, "errmsg": f"{message}, hint: [1700000000], more info at https://open.work.weixin.qq.com"}
