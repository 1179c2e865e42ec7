"""A server of language models without a model: it answers what a test has written down, over Chat Completions,
Responses and Messages, streamed or not, and refuses what the real ones refuse. The SDKs of OpenAI and Anthropic are run
against it too (test_doubles.py)."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from intellyhub_functions.testing import model_answers
from intellyhub_functions.testing.model_answers import Spoken, words_in
from intellyhub_functions.testing.server import Answer, Call, LocalServer

__all__ = ["ModelServer", "Turn"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """What the next question is answered."""

    text: str = ""
    calls: tuple[tuple[str, Mapping[str, Any] | str], ...] = ()
    """Tools to be used: name and arguments; a text is handed over as it is, JSON or not."""
    status: int = 200
    error: str = ""
    """The message of an error, its code and the parameter it names."""
    code: str = ""
    parameter: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    finish: str = "stop"
    """`stop`, `length` or `filtered`."""
    breaks_off: bool = False
    """The connection ends in the middle of the answer."""
    gate: threading.Event | None = None
    """What the second half of the answer waits for."""


class ModelServer(LocalServer):
    """Answers with its turns, one after the other, and with the last text of the question when there are none left.

    `key`: what requests must show. `refuses`: parameters it does not know. `counts`: whether it tells its tokens.
    """

    def __init__(
        self, *turns: Turn | str, key: str = "sk-test", refuses: tuple[str, ...] = (), counts: bool = True
    ) -> None:
        super().__init__()
        self.turns = [Turn(text=turn) if isinstance(turn, str) else turn for turn in turns]
        self._key = key
        self._refuses = refuses
        self._counts = counts
        self._lock = threading.Lock()

    @property
    def base_url(self) -> str:
        """As `base_url` parameters and SDKs take it."""
        return f"{self.url}/v1"

    @property
    def questions(self) -> list[Any]:
        """The bodies of all requests."""
        return [call.json() for call in self.calls]

    def answer(self, call: Call) -> Answer:
        """Look at the request as the real ones do, then answer the next turn."""
        interface: Any = {
            "/v1/chat/completions": model_answers.Chat(),
            "/v1/responses": model_answers.Responses(),
            "/v1/messages": model_answers.Messages(),
        }.get(call.path.partition("?")[0])
        if interface is None or call.method != "POST":
            return Answer.of_json({"error": {"message": f"Unknown request URL: {call.method} {call.path}"}}, 404)
        body = call.json()
        fault = self._fault_of(call, interface, body)
        if fault is not None:
            return Answer.of_json(interface.error(*fault[1:]), fault[0])
        turn = self._next(interface.texts(body))
        if turn.status != 200:
            document = interface.error(turn.error or "it went wrong", turn.code, turn.parameter)
            return Answer.of_json(document, turn.status, turn.headers)
        spoken = Spoken(
            model=body["model"],
            text=turn.text,
            calls=tuple((name, given if isinstance(given, str) else json.dumps(given)) for name, given in turn.calls),
            finish=turn.finish,
            asked=words_in(" ".join(interface.texts(body))) if self._counts else None,
        )
        if not body.get("stream"):
            return Answer.of_json(interface.whole(spoken))
        pieces = list(interface.events(spoken, tells_usage=tells_usage(body)))
        return Answer(headers={"content-type": "text/event-stream"}, pieces=paced(pieces, turn))

    def _fault_of(self, call: Call, interface: Any, body: Any) -> tuple[int, str, str, str | None] | None:
        if interface.key_of(call.headers) != self._key:
            return 401, "Incorrect API key provided.", "invalid_api_key", None
        if not isinstance(body, dict) or not body.get("model"):
            return 400, "you must provide a model parameter", "", None
        for name in self._refuses:
            if name in body:
                return 400, f"Unsupported parameter: '{name}' is not supported with this model.", "", name
        told = interface.fault(body)
        return None if told is None else (400, told, "", None)

    def _next(self, texts: list[str]) -> Turn:
        with self._lock:
            return self.turns.pop(0) if self.turns else Turn(text=texts[-1] if texts else "")


def tells_usage(body: Mapping[str, Any]) -> bool:
    """Chat Completions tell it at the end of a stream only where they are asked to."""
    options = body.get("stream_options")
    return "messages" not in body or (isinstance(options, dict) and options.get("include_usage") is True)


def paced(pieces: list[bytes], turn: Turn) -> Iterator[bytes]:
    """The pieces; in their middle the gate, or the end."""
    middle = len(pieces) // 2
    yield from pieces[:middle]
    if turn.gate is not None:
        turn.gate.wait(20)
    if not turn.breaks_off:
        yield from pieces[middle:]
