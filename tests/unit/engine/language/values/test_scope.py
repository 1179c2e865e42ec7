"""Scopes: which name wins."""

import pytest

from intellyhub_engine.language.values.scope import Scope, TolerantScope, UnknownName

NOON_NS = 1_767_268_800_000_000_000  # 2026-01-01T12:00:00Z


def test_own_entries_win_over_outer_ones_and_those_over_implicit_ones() -> None:
    scope = Scope({"a": 1}, outer={"a": 2, "b": 3, "timestamp": "mine"}, now_ns=lambda: NOON_NS)
    assert (scope["a"], scope["b"], scope["timestamp"], scope["current_date"]) == (1, 3, "mine", "2026-01-01")


def test_the_implicit_names_follow_the_clock_that_was_given() -> None:
    scope = Scope(now_ns=lambda: NOON_NS)
    names = ("timestamp", "current_date", "current_time", "error_message", "error_state")
    assert [scope[name] for name in names] == ["2026-01-01T12:00:00Z", "2026-01-01", "12:00:00", "", ""]


def test_only_own_entries_are_listed() -> None:
    scope = Scope({"a": 1}, outer={"SECRET": "s"})
    assert (list(scope), dict(scope), len(scope), scope.own("SECRET")) == (["a"], {"a": 1}, 1, False)
    assert "SECRET" in scope
    assert scope.get("SECRET") == "s"


def test_an_unknown_name_is_a_key_error_that_names_it() -> None:
    scope = Scope(outer=Scope())
    with pytest.raises(UnknownName, match="'nothing'"):
        _ = scope["nothing"]
    assert scope.get("nothing", 3) == 3
    assert "nothing" not in scope


def test_a_child_reads_its_parent_and_keeps_its_assignments() -> None:
    parent = Scope({"a": 1}, now_ns=lambda: NOON_NS)
    child = parent.child({"item": 5})
    child["a"] = 2
    child.warnings.append("look")
    assert (child["a"], child["item"], parent["a"], "item" in parent, parent.warnings) == (2, 5, 1, False, ["look"])
    assert child["current_time"] == "12:00:00"


def test_a_tolerant_scope_reports_a_missing_name_once() -> None:
    scope = Scope({"a": 1})
    tolerant = TolerantScope(scope)
    assert (tolerant["a"], tolerant["b"], tolerant["b"]) == (1, None, None)
    assert len(scope.warnings) == 1
    assert "b" not in scope
