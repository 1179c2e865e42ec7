"""What tokens cost: a table with a date, which a tenant or a flow can put right."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.frozen import dataclass
from intellyhub_functions.models.question import Tokens

__all__ = ["VARIABLE", "Price", "find_price"]

VARIABLE = "LLM_PRICES"
"""A tenant's own table: JSON, model -> {input, output, cached, written} in US dollars per million tokens."""
TABLE = Path(__file__).with_name("prices.json")
MILLION = 1_000_000
DATED = re.compile(r"-(?:\d{4}-\d{2}-\d{2}|\d{8}|latest)$")


@dataclass(frozen=True, kw_only=True)
class Price:
    """US dollars per million tokens."""

    input: float
    output: float
    cached: float
    """Read from the provider's cache."""
    written: float
    """Written into it."""

    def of(self, tokens: Tokens) -> float:
        """What they cost, in US dollars."""
        plain = max(tokens.input - tokens.cached - tokens.written, 0)
        return (
            plain * self.input
            + tokens.cached * self.cached
            + tokens.written * self.written
            + tokens.output * self.output
        ) / MILLION


FREE = Price(input=0, output=0, cached=0, written=0)


def find_price(model: str, *, is_free: bool, flow: Any = None, tenant: Any = None) -> Price | None:
    """The price of a model: the tenant's, the flow's (`prices`, for the model it names), the table's; None where nobody
    knows one. Raises PermanentError for a table that cannot be read."""
    own = read_table(tenant)
    for name in spellings(model):
        if name in own:
            return make_price(own[name], f"{VARIABLE}[{name!r}]")
    if flow:
        return make_price(flow, "prices")
    if is_free:
        return FREE
    table = load_table()
    found = next((table[name] for name in spellings(model) if name in table), None)
    return None if found is None else make_price(found, model)


def spellings(model: str) -> list[str]:
    """The model's name, then without the maker before it and the date behind it."""
    bare = model.rpartition("/")[2]
    return [model, bare, DATED.sub("", bare)]


def make_price(written: Any, place: str) -> Price:
    try:
        amounts = {name: as_amount(value) for name, value in dict(written).items()}
        given, produced = amounts["input"], amounts["output"]
    except (KeyError, TypeError, ValueError) as fault:
        raise PermanentError(f"{place} must be {{input, output}} in US dollars per million tokens") from fault
    return Price(
        input=given, output=produced, cached=amounts.get("cached", given), written=amounts.get("written", given)
    )


def as_amount(value: Any) -> float:
    amount = float(value)
    if not 0 <= amount < MILLION:
        raise ValueError(value)
    return amount


def read_table(written: Any) -> Mapping[str, Any]:
    if not written:
        return {}
    try:
        found = json.loads(written) if isinstance(written, str) else dict(written)
    except (TypeError, ValueError) as fault:
        raise PermanentError(f"{VARIABLE} is not JSON: {fault}") from fault
    if not isinstance(found, dict):
        raise PermanentError(f"{VARIABLE} must be a JSON object of model to price")
    return found


@functools.cache
def load_table() -> Mapping[str, Mapping[str, float]]:
    """The table that comes with the product."""
    models: Mapping[str, Mapping[str, float]] = json.loads(TABLE.read_bytes())["models"]
    return models
