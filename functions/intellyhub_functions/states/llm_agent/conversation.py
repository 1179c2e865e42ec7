"""What was said before, kept by the platform: the last turns as they were, or older ones as a summary.

Without a `key` a conversation lasts as long as its run, in the variable `chat_history`. With one it is the flow's, and
every run that gives the same key goes on with it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.language.values.values import text_of
from intellyhub_engine.machine.step import Step
from intellyhub_functions.models.model import Model
from intellyhub_functions.models.question import Message, Role

__all__ = ["Conversation", "open_conversation", "read_bounds"]

HISTORY = "chat_history"
"""The variable of a conversation without a key; as key of the published plugin it is the default."""
WINDOW = 20
"""Turns that are kept as they were, where the flow names no number."""
MAX_TURN_CHARACTERS = 16 * 1024
MAX_BYTES = 200 * 1024
"""What a conversation takes in the memory; older turns are dropped above it."""
SUMMARISE = (
    "Summarise the conversation so far for yourself, so that you can go on with it: facts, names, numbers, decisions, "
    "what the person wants. At most 200 words, in the language of the conversation."
)
KINDS = {"buffer": "window", "window": "window", "windowed": "window", "summary": "summary", "summarised": "summary"}


class Store(Protocol):
    """Where a conversation stands."""

    def read(self) -> Any:
        """What is there."""

    def change(self, turns: list[dict[str, Any]], summary: str | None, gone: set[str]) -> dict[str, Any]:
        """Add turns, put the summary in the place of those that are gone; the variables that change by it."""


def open_conversation(parameters: Mapping[str, Any], step: Step) -> Conversation:
    """The conversation of `memory`; one that remembers nothing where there is none."""
    memory = parameters.get("memory") or {}
    if not isinstance(memory, Mapping):
        memory = {"enabled": True, "key": text_of(memory)} if memory is not True else {"enabled": True}
    enabled = memory.get("enabled", bool(memory) or parameters.get("chain_type") == "conversation")
    if not enabled or text_of(enabled).strip().lower() in ("false", "no", "0"):
        return Conversation(None, step, "window", WINDOW)
    kind, window = read_bounds(memory)
    key = text_of(memory.get("key") or "").strip()
    store: Store = FlowStore(step, key) if key and key != HISTORY else RunStore(step)
    return Conversation(store, step, kind, window)


def read_bounds(memory: Mapping[str, Any]) -> tuple[str, int]:
    """What becomes of old turns, and how many are kept. Raises PermanentError for what is not understood."""
    kind = KINDS.get(text_of(memory.get("type") or "buffer").strip().lower())
    if kind is None:
        raise PermanentError(f"memory.type is {memory['type']!r}, expected one of {', '.join(KINDS)}")
    written = memory.get("window", WINDOW)
    try:
        window = int(text_of(written))
    except ValueError:
        window = 0
    if not 2 <= window <= 1000:
        raise PermanentError(f"memory.window is {written!r}, expected a number of turns from 2 to 1000")
    return kind, window


class Conversation:
    """What is known when the step begins, and what it adds."""

    def __init__(self, store: Store | None, step: Step, kind: str, window: int) -> None:
        self._store = store
        self._step = step
        self._kind = kind
        self._window = window
        kept = read_kept(store.read() if store is not None else None)
        self._kept = [turn for turn in kept["turns"] if turn["by"] != step.idempotency_key]
        self._summary: str = kept["summary"]

    @property
    def summary(self) -> str:
        """What stands in the instructions of turns that are not kept."""
        return f"What was said before, in short:\n{self._summary}" if self._summary else ""

    @property
    def turns(self) -> list[Message]:
        """The turns that are kept; the first is a person's."""
        turns = self._kept if self._kind == "summary" else self._kept[-self._window :]
        while turns and turns[0]["role"] != Role.USER:
            turns = turns[1:]
        return [Message(role=Role(turn["role"]), text=turn["text"]) for turn in turns]

    def keep(self, prompt: str, answer: str, model: Model) -> dict[str, Any]:
        """Remember what was asked and answered. The variables that change by it."""
        if self._store is None:
            return {}
        by = self._step.idempotency_key
        added = [
            {"role": role.value, "text": text[:MAX_TURN_CHARACTERS], "by": by}
            for role, text in ((Role.USER, prompt), (Role.ASSISTANT, answer))
        ]
        summary: str | None = None
        gone: set[str] = set()
        if len(self._kept) + len(added) > self._window:
            older = self._kept[: len(self._kept) + len(added) - max(self._window // 2, 2)]
            if self._kind == "summary":
                summary, gone = self._summarise(older, model), {turn["by"] for turn in older}
            else:
                gone = {turn["by"] for turn in self._kept[: len(self._kept) + len(added) - self._window]}
        return self._store.change(added, summary, gone)

    def _summarise(self, older: list[dict[str, Any]], model: Model) -> str:
        turns = [Message(role=Role(turn["role"]), text=turn["text"]) for turn in older]
        instructions = [Message(role=Role.SYSTEM, text=self.summary)] if self._summary else []
        asked = Message(role=Role.USER, text=SUMMARISE)
        reply = model.ask(*instructions, *turns, asked, quietly=True, temperature=0.0)
        return reply.text.strip()[:MAX_TURN_CHARACTERS] or self._summary


def read_kept(kept: Any) -> dict[str, Any]:
    """What a memory holds, whatever somebody else has put there."""
    found = kept if isinstance(kept, Mapping) else {}
    turns = found.get("turns")
    good = [
        {"role": text_of(turn["role"]), "text": text_of(turn["text"]), "by": text_of(turn.get("by", ""))}
        for turn in (turns if isinstance(turns, list) else [])
        if isinstance(turn, Mapping) and turn.get("role") in ("user", "assistant") and "text" in turn
    ]
    return {"summary": text_of(found.get("summary") or ""), "turns": good}


def changed(kept: Any, turns: list[dict[str, Any]], summary: str | None, gone: set[str]) -> dict[str, Any]:
    """The conversation with what was added. A step that is repeated takes the place of what it said before."""
    found = read_kept(kept)
    dropped = gone | {turn["by"] for turn in turns}
    whole = [turn for turn in found["turns"] if turn["by"] not in dropped] + turns
    while len(whole) > len(turns) and len(json.dumps(whole)) > MAX_BYTES:
        whole = whole[1:]
    return {"summary": found["summary"] if summary is None else summary, "turns": whole}


class FlowStore:
    """In the flow's memory, for all its runs."""

    def __init__(self, step: Step, key: str) -> None:
        self._memory = step.memory
        self._key = f"conversation:{key}"

    def read(self) -> Any:
        """What is there."""
        return self._memory.read(self._key)

    def change(self, turns: list[dict[str, Any]], summary: str | None, gone: set[str]) -> dict[str, Any]:
        """Add turns; other runs may add theirs meanwhile."""
        self._memory.change(self._key, lambda kept: changed(kept, turns, summary, gone))
        return {}


class RunStore:
    """In a variable of the run."""

    def __init__(self, step: Step) -> None:
        self._scope = step.scope

    def read(self) -> Any:
        """What is there."""
        return self._scope.get(HISTORY)

    def change(self, turns: list[dict[str, Any]], summary: str | None, gone: set[str]) -> dict[str, Any]:
        """The variable as it is to be."""
        return {HISTORY: changed(self.read(), turns, summary, gone)}
