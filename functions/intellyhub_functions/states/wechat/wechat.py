"""The `wechat` state: sends one message to members of a company in WeChat Work.

https://developer.work.weixin.qq.com/document/path/90236
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from intellyhub_engine.errors import PermanentError, RetryableError, StepFailed
from intellyhub_engine.language.values.values import Record, text_of
from intellyhub_engine.machine.step import Step
from intellyhub_functions.network.answers import retry_after
from intellyhub_functions.network.exchange import Request, Response, send
from intellyhub_functions.parameters import find_address, needed
from intellyhub_functions.states.wechat.tokens import Token, tokens

__all__ = ["perform"]

DEFAULT_URL = "https://qyapi.weixin.qq.com"
TOKEN_FAULTS = frozenset((40014, 42001, 42007, 42009))
"""The token is not, or no longer, valid: a new one helps."""
PASSING_FAULTS = frozenset((-1, 45009, 45033, 50001))
"""Busy, called too often, too many at once. https://developer.work.weixin.qq.com/document/path/90313"""
REPEAT_SECONDS = 4 * 3600
"""The longest time in which WeChat Work recognises a message that it has had."""
MAX_ANSWER_BYTES = 1024 * 1024


class Refused(PermanentError):
    """WeChat Work refused a call; `code` is its errcode, `told` its whole answer."""

    def __init__(self, call: str, told: Mapping[str, Any]) -> None:
        self.code = told.get("errcode")
        self.told = told
        super().__init__(f"WeChat Work refuses {call}: {text_of(told.get('errmsg'))[:300]} ({self.code})")


def perform(parameters: Mapping[str, Any], step: Step) -> Any:
    """Send; gives `{success, errcode, errmsg, msgid, …}`. A failure's result is `{success, error, errcode, errmsg}`."""
    try:
        answer = deliver(parameters, step)
    except StepFailed as failure:
        told = getattr(failure, "told", {})
        codes = {name: told[name] for name in ("errcode", "errmsg") if name in told}
        failure.result = Record(success=False, error=str(failure), timestamp=int(time.time()), **codes)
        raise
    names = ("errcode", "errmsg", "msgid", "response_code", "invaliduser", "invalidparty", "invalidtag")
    unreached = ", ".join(f"{name} {answer[name]}" for name in names[4:] if answer.get(name))
    if unreached:
        step.log("warning", f"not everyone was reached: {unreached}")
    return Record(success=True, timestamp=int(time.time()), **{name: answer.get(name) for name in names})


def deliver(parameters: Mapping[str, Any], step: Step) -> Mapping[str, Any]:
    """Send with the token at hand, once more with a new one where that is refused."""
    message = make_message(parameters, step)
    asker = (base_of(parameters, step), *(needed(parameters, name) for name in ("corp_id", "corp_secret")))
    token = tokens.get(asker, lambda: ask_token(parameters, step))
    try:
        return call("message/send", {"access_token": token}, parameters, step, message)
    except Refused as refusal:
        if refusal.code not in TOKEN_FAULTS:
            raise
    tokens.forget(asker, token)
    token = tokens.get(asker, lambda: ask_token(parameters, step))
    return call("message/send", {"access_token": token}, parameters, step, message)


def base_of(parameters: Mapping[str, Any], step: Step) -> str:
    """The service's address: the parameter's, else the setting's, else WeChat Work's own."""
    return find_address(parameters, "base_url", step.scope, "WECHAT_BASE_URL", DEFAULT_URL)


def make_message(parameters: Mapping[str, Any], step: Step) -> dict[str, Any]:
    """The message as WeChat Work takes it; without anyone named it goes to all."""
    agent = needed(parameters, "agent_id")
    if not agent.isdigit():
        raise PermanentError(f"agent_id is {agent!r}, and must be a number")
    to = {name: receivers(parameters.get(f"to_{name[2:]}")) for name in ("touser", "toparty", "totag")}
    if not any(to.values()):
        to["touser"] = "@all"
    kind, content = make_content(parameters, step)
    repeated = {"enable_duplicate_check": 1, "duplicate_check_interval": REPEAT_SECONDS} if step.attempt > 1 else {}
    safe = 1 if text_of(parameters.get("safe")) in ("1", "true", "True") else 0
    return {**to, "msgtype": kind, "agentid": int(agent), kind: content, "safe": safe, **repeated}


def receivers(written: Any) -> str:
    """Several receivers, written as a list or with `|` or commas, as WeChat Work has them."""
    listed = written if isinstance(written, list | tuple) else text_of(written).replace(",", "|").split("|")
    return "|".join(filter(None, (text_of(name).strip() for name in listed)))


def make_content(parameters: Mapping[str, Any], step: Step) -> tuple[str, dict[str, Any]]:
    """The kind of message and what it holds. A text card that is none is sent as text, with a warning."""
    kind, written = parameters.get("message_type") or "text", parameters.get("message")
    text = text_of(written)
    if not text.strip():
        raise PermanentError("message is empty")
    if kind != "textcard":
        return kind, {"content": text}
    card = written
    if not isinstance(card, Mapping):
        try:
            card = json.loads(text)
        except (ValueError, RecursionError):
            card = None
    if isinstance(card, Mapping) and all(text_of(card.get(name)).strip() for name in ("title", "description", "url")):
        return kind, {name: text_of(value) for name, value in card.items()}
    step.log("warning", "sent as text, because a textcard is JSON with title, description and url")
    return "text", {"content": text}


def ask_token(parameters: Mapping[str, Any], step: Step) -> Token:
    """A token of the application. https://developer.work.weixin.qq.com/document/path/91039."""
    query = {"corpid": needed(parameters, "corp_id"), "corpsecret": needed(parameters, "corp_secret")}
    told = call("gettoken", query, parameters, step)
    text, seconds = told.get("access_token"), told.get("expires_in", 7200)
    if not isinstance(text, str) or not text or not isinstance(seconds, int | float):
        raise RetryableError("WeChat Work's gettoken gave no token")
    return Token(text=text, lasts_seconds=min(max(float(seconds), 0.0), 86400.0))


def call(
    path: str, query: Mapping[str, str], parameters: Mapping[str, Any], step: Step, body: Any = None
) -> Mapping[str, Any]:
    """The answer of one call. Raises Refused, RetryableError or what `send` raises."""
    response = send(
        Request(
            method="GET" if body is None else "POST",
            url=f"{base_of(parameters, step)}/cgi-bin/{path}?{urlencode(query)}",
            headers={} if body is None else {"content-type": "application/json"},
            body=None if body is None else json.dumps(body, ensure_ascii=False).encode(),
            timeout_seconds=parameters.get("timeout", 30),
            deadline_seconds=step.timeout_seconds,
            cancelled=step.cancelled,
            called=f"WeChat Work's {path}",
            max_redirects=0,
            max_body_bytes=MAX_ANSWER_BYTES,
        )
    )
    return read_answer(path, response)


def read_answer(path: str, response: Response) -> Mapping[str, Any]:
    """What the call gave; an errcode beside 0 is a fault, whatever the status."""
    try:
        told = json.loads(response.body)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, Mapping) or not isinstance(told.get("errcode", 0), int):
        message = f"WeChat Work's {path} gave an answer that is not its own ({response.status})"
        if response.status < 500 and response.status != 429:
            raise PermanentError(message)
        raise RetryableError(message, retry_after_seconds=retry_after(response))
    if told.get("errcode", 0) in PASSING_FAULTS:
        raise RetryableError(f"WeChat Work puts {path} off: {text_of(told.get('errmsg'))[:300]} ({told['errcode']})")
    if told.get("errcode", 0) != 0:
        raise Refused(path, told)
    return told
