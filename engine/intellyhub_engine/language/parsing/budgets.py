"""A flow's `budget`: what its runs may spend, each and together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from intellyhub_engine.language.parsing.findings import Findings
from intellyhub_engine.language.problems import ProblemCode
from intellyhub_engine.language.spelling import did_you_mean

__all__ = ["AMOUNTS", "SPANS", "read_budget"]

SPANS: Mapping[str, str] = {
    "run": "what one run may spend",
    "day": "what all runs of the flow may spend in a day (UTC)",
    "month": "what all runs of the flow may spend in a calendar month (UTC)",
}
AMOUNTS: Mapping[str, str] = {"tokens": "in and out together", "cost_usd": "in US dollars"}


def read_budget(root: Any, findings: Findings) -> dict[str, dict[str, float]] | None:
    """`{run, day, month: {tokens, cost_usd}}`; amounts right under `budget` are those of a run."""
    if root.get("budget") is None:
        return None
    written = findings.mapping(root, "budget", "'budget'") or {}
    budget: dict[str, dict[str, float]] = {}
    for key, value in written.items():
        if key in AMOUNTS:
            budget.setdefault("run", {}).update(read_amount(written, key, findings))
        elif key not in SPANS:
            warn(written, key, {**SPANS, **AMOUNTS}, findings)
        elif value is not None:
            amounts = findings.mapping(written, key, f"'budget.{key}'") or {}
            for name in amounts:
                if name in AMOUNTS:
                    budget.setdefault(key, {}).update(read_amount(amounts, name, findings))
                else:
                    warn(amounts, name, AMOUNTS, findings)
    return budget or None


def read_amount(container: Any, key: str, findings: Findings) -> dict[str, float]:
    value = container[key]
    if isinstance(value, str) and value.replace("_", "").replace(".", "", 1).isdecimal():
        value = float(value.replace("_", ""))
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf"):
        return {key: value}
    findings.wrong(container, key, f"'budget.{key}'", "a number from 0 on")
    return {}


def warn(container: Any, key: Any, known: Mapping[str, str], findings: Findings) -> None:
    findings.warn(
        ProblemCode.UNKNOWN_KEY,
        f"a budget has no {key!r}",
        findings.document.key_position(container, key),
        expected=", ".join(known),
        suggestion=did_you_mean(str(key), known),
    )
