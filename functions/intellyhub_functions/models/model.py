"""A model as a step uses it: asked within its budgets, with its answer in the live log and its cost in the record."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from intellyhub_engine.errors import StepTimedOut
from intellyhub_engine.frozen import dataclass
from intellyhub_engine.language.values.scope import Scope
from intellyhub_engine.machine.step import Left, Step
from intellyhub_functions.models.asking import Manners, ask
from intellyhub_functions.models.endpoint import Endpoint, make_endpoint
from intellyhub_functions.models.prices import VARIABLE, Price, find_price
from intellyhub_functions.models.purse import Purse
from intellyhub_functions.models.question import Message, Question, Reply
from intellyhub_functions.models.telling import Teller

__all__ = ["Facts", "Model", "open_model"]


def open_model(parameters: Mapping[str, Any], step: Step) -> Model:
    """The model of a state's parameters: `provider`, `model`, `api_key`, `base_url`, `api`, `temperature`,
    `max_tokens`, `timeout`, `max_retries`, `stream`, `verify_tls`, `prices`, `budget`; all may be left out. Raises
    PermanentError where something is missing."""
    endpoint = make_endpoint(parameters, step.scope.get)
    price = find_price(
        endpoint.model,
        is_free=endpoint.is_free,
        flow=parameters.get("prices"),
        tenant=tenant_names(step.scope).get(VARIABLE),
    )
    ends_at = None if step.timeout_seconds is None else time.monotonic() + step.timeout_seconds
    manners = Manners(
        cancelled=step.cancelled,
        timeout_seconds=parameters.get("timeout") or 120.0,
        ends_at=ends_at,
        attempts=1 + int(2 if parameters.get("max_retries") is None else parameters["max_retries"]),
        streams=bool(parameters.get("stream", True)),
        verify_tls=bool(parameters.get("verify_tls", True)),
    )
    purse = Purse(step.spending, price, parameters.get("budget"), endpoint.model)
    return Model(
        endpoint,
        manners,
        purse,
        step.log,
        temperature=parameters.get("temperature"),
        max_tokens=parameters.get("max_tokens"),
    )


def tenant_names(scope: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the tenant has configured, without what the run or its flow set under the same names."""
    outermost: Mapping[str, Any] | None = scope
    while isinstance(outermost, Scope):
        outermost = outermost.outer
    return outermost or {}


@dataclass(frozen=True, kw_only=True)
class Facts:
    """A model as another process can make it again."""

    endpoint: Endpoint
    manners: Mapping[str, Any]
    seconds: float | None
    """What is left of the step's time."""
    price: Price | None
    limits: Sequence[Left]
    """What every limit still allows."""
    temperature: float | None
    max_tokens: int | None


class Model:
    """Asked any number of times within one step."""

    def __init__(
        self,
        endpoint: Endpoint,
        manners: Manners,
        purse: Purse,
        log: Callable[[str, str], None],
        *,
        temperature: float | None,
        max_tokens: int | None,
    ) -> None:
        self.endpoint = endpoint
        self.purse = purse
        self._manners = manners
        self._log = log
        self._temperature = temperature
        self._max_tokens = max_tokens
        self._teller = Teller(log)

    def ask(self, *messages: Message, quietly: bool = False, **more: Any) -> Reply:
        """The answer to a conversation; `more` are fields of `Question`. `quietly`: it is not shown in the live log.

        Raises BudgetSpent before a call that a budget does not allow.
        """
        if self._manners.ends_at is not None and time.monotonic() >= self._manners.ends_at:
            raise StepTimedOut("the time of the step is over before the model was asked again")
        settings = {"temperature": self._temperature, "max_tokens": self._max_tokens, **more}
        question = Question(model=self.endpoint.model, messages=messages, **settings)
        most = self.purse.most_tokens(question)
        if most != question.max_tokens:
            self._log("debug", f"the budget leaves {most} tokens for the answer")
            question = replace(question, max_tokens=most)
        shown = self._manners.streams and not quietly
        reply = ask(
            self.endpoint,
            question,
            self._manners,
            say=self._teller.say if shown else lambda piece: None,
            warn=lambda line: self._log("warning", line),
        )
        if shown:
            self._teller.end()
        self.purse.note(question, reply)
        return reply

    def facts(self) -> Facts:
        """What another process has to know to ask it, within what is left now."""
        manners = self._manners
        return Facts(
            endpoint=self.endpoint,
            manners={name: getattr(manners, name) for name in ("timeout_seconds", "attempts", "streams", "verify_tls")},
            seconds=None if manners.ends_at is None else max(manners.ends_at - time.monotonic(), 0.001),
            price=self.purse.price,
            limits=self.purse.left(),
            temperature=self._temperature,
            max_tokens=self._max_tokens,
        )
