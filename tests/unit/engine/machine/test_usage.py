"""What runs spend, and what they may."""

from typing import Any

import pytest

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.journal.memory import MemoryJournal
from intellyhub_engine.journal.records import RunStatus, Used
from intellyhub_engine.language.model import Durability, Retry
from intellyhub_engine.machine.run import resume, start
from intellyhub_engine.machine.step import Outcome
from tests.unit.engine.machine.small import Clock, Recording, make_catalogue, make_host, make_program, state


def used_of(result):
    return [(entry.seq, entry.attempt, dict(entry.amounts)) for entry in result.entries if type(entry) is Used]


def run_with(perform, *states, journal=None, **settings):
    catalogue = make_catalogue(ask=perform)
    host = make_host(catalogue=catalogue, journal=journal, **settings)
    program = make_program(*(states or (state("a", "ask", "end"),)), catalogue=catalogue)
    return start(program, host)


def left_of(step, budget=None):
    return [(left.name, left.amount, left.of) for left in step.spending.left(budget)]


def test_what_an_outcome_says_was_used_is_recorded_with_its_step():
    result = run_with(lambda parameters, step: Outcome(value=1, usage={"input_tokens": 5, "cost_usd": 0.25}))
    assert used_of(result) == [(1, 1, {"input_tokens": 5, "cost_usd": 0.25})]


def test_what_is_no_amount_is_left_out():
    usage: Any = {"a": -1, "b": float("nan"), "c": "3", "d": True, "e": 0, "f": 2}
    assert used_of(run_with(lambda parameters, step: Outcome(usage=usage))) == [(1, 1, {"f": 2})]


def test_a_failed_attempt_has_spent_what_it_spent():
    def fail_once(parameters, step):
        step.spending.add({"input_tokens": 7})
        if step.attempt == 1:
            raise PermanentError("no")
        return 1

    again = state("a", "ask", "end", retry=Retry(attempts=2, backoff_seconds=0, on=("permanent",)))
    result = run_with(fail_once, again, journal=MemoryJournal())
    assert used_of(result) == [(1, 1, {"input_tokens": 7}), (1, 2, {"input_tokens": 7})]


def test_what_is_spent_is_handed_to_the_journal_while_the_step_runs():
    journal = Recording(Clock().now_ns)
    seen = []

    def ask(parameters, step):
        step.spending.add({"input_tokens": 7})
        seen.extend(journal.calls)

    run_with(ask, journal=journal)
    assert seen[-1] == (["Used"], False)


def test_a_run_may_not_spend_more_than_its_budget():
    seen = []

    def ask(parameters, step):
        seen.append(left_of(step, {"tokens": 100, "cost_usd": "0.5"}))
        step.spending.add({"input_tokens": 30, "output_tokens": 10, "cost_usd": 0.2})

    run_with(ask, state("a", "ask", "b"), state("b", "ask", "end"))
    assert seen == [
        [("cost_usd", 0.5, "the run"), ("tokens", 100, "the run")],
        [("cost_usd", pytest.approx(0.3), "the run"), ("tokens", 60, "the run")],
    ]


@pytest.mark.parametrize("journal", [MemoryJournal, lambda: None])
@pytest.mark.parametrize("durability", [Durability.STEP, Durability.NONE])
def test_all_runs_of_a_flow_share_the_budget_of_the_month(journal, durability):
    seen = []

    def ask(parameters, step):
        seen.append(left_of(step))
        step.spending.add({"input_tokens": 30})

    catalogue = make_catalogue(ask=ask)
    host = make_host(catalogue=catalogue, journal=journal(), outer={"BUDGET_TOKENS_PER_DAY": "1_000"})
    budget = {"month": {"tokens": 100}}
    program = make_program(state("a", "ask", "end"), catalogue=catalogue, budget=budget, durability=durability)
    for _ in range(2):
        assert start(program, host).status is RunStatus.SUCCEEDED
    assert seen == [
        [("tokens", 100, "the flow this month"), ("tokens", 1000, "the tenant today")],
        [("tokens", 70, "the flow this month"), ("tokens", 970, "the tenant today")],
    ]


def test_a_flow_cannot_raise_what_its_tenant_may_spend():
    seen = []

    def ask(parameters, step):
        seen.append(left_of(step))

    catalogue = make_catalogue(ask=ask)
    host = make_host(catalogue=catalogue, outer={"BUDGET_COST_USD_PER_MONTH": "1"}, budget={"month": {"tokens": 50}})
    program = make_program(state("a", "ask", "end"), catalogue=catalogue, variables={"BUDGET_COST_USD_PER_MONTH": "99"})
    start(program, host)
    assert seen == [[("cost_usd", 1, "the tenant this month"), ("tokens", 50, "the tenant this month")]]


def test_a_resumed_run_knows_what_it_has_spent():
    seen = []

    def ask(parameters, step):
        seen.append(left_of(step, {"tokens": 100}))
        step.spending.add({"input_tokens": 30})

    catalogue, clock = make_catalogue(ask=ask), Clock()
    host = make_host(clock, catalogue=catalogue, journal=MemoryJournal(now_ns=clock.now_ns))
    wait = state("w", "wait", "b", seconds=5)
    program = make_program(state("a", "ask", "w"), wait, state("b", "ask", "end"), catalogue=catalogue)
    waiting = start(program, host)
    clock.pass_by(10)
    resume(program, host, waiting.run_id)
    assert [left[0][1] for left in seen] == [100, 70]


def test_what_child_runs_spend_counts_for_their_parent_once():
    seen = []

    def ask(parameters, step):
        seen.append(left_of(step, {"tokens": 100}))
        return Outcome(usage={"input_tokens": 10})

    catalogue = make_catalogue(ask=ask)
    other = make_program(state("x", "ask", "end"), catalogue=catalogue, name="other")
    for journal in (MemoryJournal(), None):
        host = make_host(catalogue=catalogue, journal=journal, find_flow={"other": other}.get)
        program = make_program(state("a", "call", "b", flow="other"), state("b", "ask", "end"), catalogue=catalogue)
        result = start(program, host)
        assert used_of(result) == [(1, 1, {"input_tokens": 10}), (2, 1, {"input_tokens": 10})]
        if journal is not None:
            assert dict(journal.spent("small", since="2023-11-01").tenant) == {"input_tokens": 20}
    assert [left[0][1] for left in seen] == [100, 90, 100, 90]


def test_a_function_calls_another_flow():
    def ask(parameters, step):
        card = step.flows.find("other")
        assert (card.description, card.input_schema) == ("doubles", {"type": "object"})
        assert step.flows.find("nobody") is None
        return step.flows.call("other", {"n": 21}, key="one")

    catalogue = make_catalogue(ask=ask)
    other = make_program(
        state("x", "end", result="{n * 2}"),
        catalogue=catalogue,
        name="other",
        description="doubles",
        input_schema={"type": "object"},
    )
    journal = MemoryJournal()
    host = make_host(catalogue=catalogue, journal=journal, find_flow={"other": other}.get)
    result = start(make_program(state("a", "ask", "end", output="it"), catalogue=catalogue), host)
    assert (result.status, result.variables["it"]) == (RunStatus.SUCCEEDED, 42)
    assert [run.run_id for run in journal.runs(parent_id=result.run_id)] == [f"{result.run_id}.1.one"]


def test_a_flow_that_waits_cannot_be_called_by_a_function():
    def ask(parameters, step):
        return step.flows.call("other", {}, key="one")

    catalogue = make_catalogue(ask=ask)
    other = make_program(state("x", "wait", "end", seconds=5), catalogue=catalogue, name="other")
    journal = MemoryJournal()
    host = make_host(catalogue=catalogue, journal=journal, find_flow={"other": other}.get)
    result = start(make_program(state("a", "ask", "end"), catalogue=catalogue), host)
    assert result.error == "the flow 'other' waits at 'x': it cannot be called from here"
    [child] = journal.runs(parent_id=result.run_id)
    assert child.status is RunStatus.CANCELLED
