"""Budgets, looked at before a call is made, and what it cost, noted after it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.machine.step import Left, Spending
from intellyhub_functions.models.prices import VARIABLE, Price
from intellyhub_functions.models.question import Question, Reply, Tokens

__all__ = ["BudgetSpent", "Purse", "estimate"]

BYTES_PER_TOKEN = 4
MESSAGE_TOKENS = 4
"""What each turn takes beside its text."""
SMALLEST_ANSWER = 16
"""Fewer tokens than that are no answer."""


class BudgetSpent(PermanentError):
    """The call was not made: a budget is spent, or would be."""


class Purse:
    """What the calls of one step may cost, and do."""

    def __init__(self, spending: Spending, price: Price | None, budget: Mapping[str, Any] | None, model: str) -> None:
        self._spending = spending
        self.price = price
        self._budget = budget
        self._model = model
        self.tokens = Tokens()
        """Of all calls so far."""
        self.cost_usd: float | None = None if price is None else 0.0

    def most_tokens(self, question: Question) -> int | None:
        """How long the answer may be: as long as asked for, or shorter, so that no budget is exceeded. Raises
        BudgetSpent where there is no room for an answer at all."""
        given, most = estimate(question), question.max_tokens
        for left in self.left():
            room = self._room(left, given)
            if room < SMALLEST_ANSWER:
                raise BudgetSpent(
                    f"the budget of {left.of} is spent: {left.most:g} {left.name}, {max(left.amount, 0):.6g} left, and "
                    f"this call needs more. It was not made"
                )
            most = room if most is None else min(most, room)
        return most

    def _room(self, left: Left, given: int) -> int:
        """How many tokens of an answer are left of one limit."""
        if left.name == "tokens":
            return int(left.amount) - given
        price = self.price
        if price is None:
            raise BudgetSpent(
                f"{left.of} has a budget in US dollars, and what {self._model} costs is not known: give `prices`, or "
                f"the variable {VARIABLE}. The call was not made"
            )
        rest = left.amount - price.of(Tokens(input=given))
        if price.output == 0:
            return 0 if left.amount <= 0 < left.most or rest < 0 else MOST_TOKENS
        return int(rest / price.output * 1_000_000)

    def note(self, question: Question, reply: Reply) -> None:
        """Record what a call has used; counted from the texts where the provider does not say."""
        tokens = reply.tokens or Tokens(
            input=estimate(question), output=tokens_in(reply.text) + tokens_of_calls(reply), estimated=True
        )
        self.take(tokens)

    def left(self) -> Sequence[Left]:
        """What every limit still allows."""
        return self._spending.left(self._budget)

    def take(self, tokens: Tokens) -> None:
        """Record what a call has used."""
        self.tokens = add(self.tokens, tokens)
        amounts: dict[str, float] = {"input_tokens": tokens.input, "output_tokens": tokens.output}
        if tokens.cached:
            amounts["cached_tokens"] = tokens.cached
        if self.price is not None:
            cost = self.price.of(tokens)
            amounts["cost_usd"] = cost
            self.cost_usd = (self.cost_usd or 0.0) + cost
        self._spending.add(amounts)

    def usage(self) -> dict[str, Any]:
        """What the step's result says of it."""
        shown: dict[str, Any] = {"input_tokens": self.tokens.input, "output_tokens": self.tokens.output}
        shown["total_tokens"] = self.tokens.input + self.tokens.output
        if self.tokens.cached:
            shown["cached_tokens"] = self.tokens.cached
        if self.cost_usd is not None:
            shown["cost_usd"] = round(self.cost_usd, 9)
        return shown | ({"estimated": True} if self.tokens.estimated else {})


MOST_TOKENS = 1 << 31


def add(one: Tokens, other: Tokens) -> Tokens:
    return Tokens(
        input=one.input + other.input,
        output=one.output + other.output,
        cached=one.cached + other.cached,
        written=one.written + other.written,
        estimated=one.estimated or other.estimated,
    )


def estimate(question: Question) -> int:
    """About how many tokens a question takes; four bytes make one."""
    texts = [message.text for message in question.messages]
    texts += [call.name + call.arguments for message in question.messages for call in message.calls]
    texts += [tool.name + tool.description + json.dumps(tool.schema, default=str) for tool in question.tools]
    if question.schema is not None:
        texts.append(json.dumps(question.schema, default=str))
    return sum(map(tokens_in, texts)) + MESSAGE_TOKENS * len(texts)


def tokens_in(text: str) -> int:
    return -(-len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN)


def tokens_of_calls(reply: Reply) -> int:
    return sum(tokens_in(call.name + call.arguments) for call in reply.calls)
