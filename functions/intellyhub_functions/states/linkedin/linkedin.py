"""The `linkedin` state: searches public pages, or posts through the official API."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from intellyhub_engine.errors import PermanentError, StepFailed
from intellyhub_engine.language.values.values import Record, text_of
from intellyhub_engine.machine.step import Outcome, Step
from intellyhub_functions.states.linkedin.posting import comment, delete, post, profile
from intellyhub_functions.states.linkedin.search import search

__all__ = ["perform"]

QUESTIONS = {
    "summary": "Summarise these LinkedIn results: how many, main trends, common skills or sectors, places, insights.",
    "classification": "Sort these LinkedIn results into categories: name each, how many are in it, what marks it.",
    "insights": "Say what these LinkedIn results mean for business: opportunities, trends, advice, key contacts.",
}
MODEL_KEYS = ("provider", "model", "api_key", "base_url", "temperature", "max_tokens")


def perform(parameters: Mapping[str, Any], step: Step) -> Any:
    """Do what `action` says. A failure's result is `{success, error, status_code}`."""
    try:
        return ACTIONS[parameters.get("action") or "search"](parameters, step)
    except StepFailed as failure:
        told = failure.result if isinstance(failure.result, Mapping) else {}
        now = datetime.now(UTC).isoformat()
        failure.result = Record(**{"status_code": None, **told}, success=False, error=str(failure), timestamp=now)
        raise


def search_and_analyse(parameters: Mapping[str, Any], step: Step) -> Record | Outcome:
    """Search; with `llm_analysis` have a language model look at what was found."""
    if parameters.get("use_selenium"):
        step.log("warning", "use_selenium is left aside: no browser is driven through pages that forbid programs")
    found = search(parameters, step)
    wanted = parameters.get("llm_analysis")
    if not isinstance(wanted, Mapping) or not wanted.get("enabled") or not found["results"]:
        return found
    return analyse(found, wanted, step)


def analyse(found: Record, wanted: Mapping[str, Any], step: Step) -> Record | Outcome:
    """The result with the model's words; where the model fails, without them and with a warning."""
    kind = text_of(wanted.get("analysis_type")) or "summary"
    question = text_of(wanted.get("custom_prompt")).strip() or QUESTIONS.get(kind, QUESTIONS["summary"])
    data = json.dumps(found["results"], ensure_ascii=False, indent=1)
    asked = {name: wanted[name] for name in MODEL_KEYS if wanted.get(name) not in (None, "")}
    try:
        outcome = ask_model(asked | {"user_prompt": f"{question}\n\n{data}"}, step)
    except StepFailed as fault:
        step.log("warning", f"the results are not analysed: {fault}")
        return found
    answer = outcome.value if isinstance(outcome, Outcome) else outcome
    analysis = {
        "analysis": text_of(answer),
        "provider": answer.get("provider") if isinstance(answer, Mapping) else asked.get("provider"),
        "model": answer.get("model") if isinstance(answer, Mapping) else asked.get("model"),
        "analysis_type": kind,
        "timestamp": datetime.now(UTC).isoformat(),
    }
    result = Record(**{**found, "llm_analysis": analysis})
    return replace(outcome, value=result) if isinstance(outcome, Outcome) else result


def ask_model(parameters: Mapping[str, Any], step: Step) -> Any:
    """What the llm_agent state gives, with its defaults."""
    from intellyhub_functions.catalogue import CATALOGUE

    agent = CATALOGUE.states["llm_agent"]
    if agent.load is None:
        raise PermanentError("llm_agent is not installed")
    defaults = {name: row.default for name, row in agent.parameters.items() if row.default is not None}
    return agent.load()(defaults | dict(parameters), step)


ACTIONS: Mapping[str, Callable[[Mapping[str, Any], Step], Record | Outcome]] = {
    "search": search_and_analyse,
    "post": post,
    "comment": comment,
    "delete": delete,
    "profile": profile,
}
