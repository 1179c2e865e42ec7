"""The author's variables block."""

from random import Random
from typing import Any

import pytest

from intellyhub_engine.errors import ExpressionInvalid
from intellyhub_engine.language.values.scope import Scope
from intellyhub_engine.language.values.variables import compile_variables, resolve_variables


def resolved(block: dict[str, Any], outer: dict[str, Any] | None = None, /, **own: Any) -> dict[str, Any]:
    return resolve_variables(block, Scope(own, outer=outer))


def test_entries_use_one_another_in_any_order() -> None:
    assert resolved({"a": "{b}!", "b": "{c}", "c": [1], "n": 3}) == {"a": "[1]!", "b": [1], "c": [1], "n": 3}


def test_a_self_reference_means_what_lies_outside() -> None:
    assert resolved({"TOKEN": "{TOKEN}", "url": "https://x/{TOKEN}"}, {"TOKEN": "t"}) == {
        "TOKEN": "t",
        "url": "https://x/t",
    }


def test_a_self_reference_to_nothing_stays_and_is_reported() -> None:
    scope = Scope()
    assert resolve_variables({"TOKEN": "{TOKEN}"}, scope) == {"TOKEN": "{TOKEN}"}
    assert any("TOKEN" in warning for warning in scope.warnings)


def test_a_cycle_ends_and_is_reported() -> None:
    scope = Scope()
    assert set(resolve_variables({"a": "{b}", "b": "{c}", "c": "{a}"}, scope)) == {"a", "b", "c"}
    assert any("by itself" in warning for warning in scope.warnings)


def test_the_event_wins_over_the_block_and_the_block_over_outside() -> None:
    assert resolved({"name": "block", "hi": "{name} {x}", "x": 1}, {"x": 2}, name="event")["hi"] == "event 1"


def test_data_and_secrets_are_not_expanded_again() -> None:
    outer = {"SECRET": "s", "WRAPPED": "{SECRET}"}
    assert resolved({"a": "{message}", "b": "{a}", "c": "{WRAPPED}"}, outer, message="{SECRET}") == {
        "a": "{SECRET}",
        "b": "{SECRET}",
        "c": "{SECRET}",
    }


def test_a_compiled_block_gives_the_same() -> None:
    block = {"a": "{b} $b", "b": 1, "l": [{"k": "{b}"}]}
    assert (
        resolve_variables(compile_variables(block), Scope())
        == resolved(block)
        == {"a": "1 $b", "b": 1, "l": [{"k": 1}]}
    )
    assert resolve_variables(compile_variables(block, dollar_names=True), Scope())["a"] == "1 1"


def test_an_import_expression_reads_the_scopes_clock_and_chance() -> None:
    block = {
        "day": "{import datetime; datetime.datetime.utcnow().strftime('%Y-%m-%d')}",
        "id": "{import uuid; uuid.uuid4()}",
    }
    first, second = (resolve_variables(block, Scope(now_ns=lambda: 0, random=Random("run"))) for _ in range(2))
    assert first == second
    assert first["day"] == "1970-01-01"


def test_a_block_that_does_not_compile_is_refused() -> None:
    with pytest.raises(ExpressionInvalid):
        compile_variables({"a": "{% if %}"})
