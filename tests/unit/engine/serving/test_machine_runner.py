"""The worker's verbs, on the real machine and a journal in memory."""

import itertools
import time

import pytest

from intellyhub_engine.catalogue.control import CONTROL
from intellyhub_engine.catalogue.manifest import Catalogue
from intellyhub_engine.errors import InputInvalid, OtherVersion, RunNotFound
from intellyhub_engine.events import Event
from intellyhub_engine.journal.memory import MemoryJournal
from intellyhub_engine.journal.records import Logged, RunStatus
from intellyhub_engine.language.compile import compile_flow
from intellyhub_engine.language.load import load_flow
from intellyhub_engine.machine.host import Host
from intellyhub_engine.machine.result import RunResult
from intellyhub_engine.serving import machine_runner
from intellyhub_engine.serving.machine_runner import MachineRunner

CATALOGUE = Catalogue(states=CONTROL)
NUMBERS = itertools.count(1)
FLOW = """
name: demo
states:
  choose: {state_type: switch, value: "{kind}", cases: {ask: ask, hear: hear, later: later, tell: tell, x: answer}}
  ask: {state_type: wait, approval: "Go on?", output: said, transition: answer}
  hear: {state_type: wait, event: {type: t.heard}, output: said, transition: answer}
  later: {state_type: wait, seconds: 3600, transition: answer}
  tell: {state_type: emit, type: t.told, data: 1, transition: answer}
  answer: {state_type: end, result: {kind: "{kind}", said: "{said}"}}
"""


class Clock:
    def __init__(self):
        self.now = time.time_ns()

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def journal(clock):
    return MemoryJournal(now_ns=clock)


@pytest.fixture
def make_runner(clock, journal):
    def make(text=FLOW, **choices):
        flow, _ = load_flow(text.encode(), CATALOGUE, "demo")
        host = Host(**({"now_ns": clock, "catalogue": CATALOGUE, "journal": journal} | choices))
        return MachineRunner(compile_flow(flow, CATALOGUE), host)

    return make


def event(kind, **attributes):
    values = {"id": f"e{next(NUMBERS)}", "source": "/s", "type": "t.made"} | attributes
    return Event(data={"kind": kind, "said": None}, **values)


def test_a_run_is_announced_when_it_is_durable(make_runner, journal):
    announced = []
    result = make_runner().start(event("x"), lambda run_id: announced.append(journal.history(run_id).start.run_id))
    assert announced == [result.run_id]


def test_a_waiting_run_can_be_looked_at_and_decided(make_runner):
    runner = make_runner()
    waiting = runner.start(event("ask"), None)
    shown = runner.show(waiting.run_id)
    assert (shown.status, shown.suspended.approval) == (RunStatus.WAITING, "Go on?")
    assert runner.decide(waiting.run_id, "yes").output == {"kind": "ask", "said": "yes"}
    assert runner.show(waiting.run_id).output == {"kind": "ask", "said": "yes"}
    with pytest.raises(InputInvalid):
        runner.decide(waiting.run_id, "no")


def test_an_event_that_a_run_waits_for_goes_to_that_run_and_makes_none(make_runner, journal):
    runner = make_runner()
    waiting = runner.start(event("hear"), None)
    woken = runner.start(event("x", type="t.heard"), None)
    assert (woken.run_id, woken.status) == (waiting.run_id, RunStatus.SUCCEEDED)
    assert len(journal.runs()) == 1
    assert runner.start(event("x", type="t.heard"), None).run_id != waiting.run_id


def test_an_event_that_has_woken_a_run_is_answered_its_result_when_it_comes_again(make_runner, journal):
    runner = make_runner()
    waiting = runner.start(event("hear"), None)
    heard = event("x", type="t.heard")
    first, again = runner.start(heard, None), runner.start(heard, None)
    assert (again.run_id, again.output) == (waiting.run_id, first.output)
    assert len(journal.runs()) == 1


def test_a_caller_who_does_not_wait_is_told_the_run_that_the_event_wakes(make_runner):
    announced: list[str] = []
    runner = make_runner()
    waiting = runner.start(event("hear"), None)
    runner.start(event("x", type="t.heard"), announced.append)
    assert announced == [waiting.run_id]


def test_of_several_woken_runs_the_one_to_try_again_is_answered(make_runner, monkeypatch):
    told = [
        RunResult(
            run_id=name, status=RunStatus.FAILED, end_state=None, error="x", variables={}, retry_after_seconds=wait
        )
        for name, wait in (("one", None), ("two", 5.0), ("three", None))
    ]
    monkeypatch.setattr(machine_runner, "deliver", lambda *given: told)
    assert make_runner().start(event("x", type="t.heard"), None).run_id == "two"


def test_a_flow_that_waits_for_no_event_asks_the_journal_for_none(make_runner, journal):
    journal.runs_of_event = None
    text = "states: {a: {state_type: wait, seconds: 60, transition: b}, b: {state_type: end}}"
    assert make_runner(text).start(event("x"), None).status is RunStatus.WAITING


def test_a_decision_sent_twice_is_answered_twice(make_runner):
    runner = make_runner()
    waiting = runner.start(event("ask"), None)
    first, again = (runner.decide(waiting.run_id, "yes") for _ in range(2))
    assert (again.status, again.output) == (RunStatus.SUCCEEDED, first.output)


def test_what_is_due_is_resumed_on_its_own_version_only(make_runner, clock):
    runner = make_runner()
    waiting = runner.start(event("later"), None)
    assert runner.due() == []
    clock.now += 3_601 * 10**9
    assert make_runner(FLOW + "# another version\n").due() == []
    assert make_runner(FLOW.replace("name: demo", "name: other")).due() == []
    assert runner.due() == [waiting.run_id]
    assert runner.resume(waiting.run_id).status is RunStatus.SUCCEEDED
    assert runner.due() == []


def test_a_waiting_run_can_be_cancelled_once(make_runner):
    runner = make_runner()
    run_id = runner.start(event("ask"), None).run_id
    assert runner.cancel(run_id)
    assert runner.show(run_id).status is RunStatus.CANCELLED
    assert not runner.cancel(run_id)


def test_a_run_of_another_flow_is_none_of_this_ones(make_runner):
    run_id = make_runner(FLOW.replace("name: demo", "name: other")).start(event("ask"), None).run_id
    runner = make_runner()
    for ask in (runner.show, runner.cancel, lambda each: runner.decide(each, "yes")):
        with pytest.raises(RunNotFound):
            ask(run_id)


def test_without_a_journal_no_run_is_known(make_runner):
    runner = make_runner(journal=None)
    assert runner.start(event("x"), None).status is RunStatus.SUCCEEDED
    assert runner.due() == []
    with pytest.raises(RunNotFound):
        runner.show("x")


def test_the_reply_is_the_last_emitted_event_unless_a_sink_took_it(make_runner):
    sent: list[Event] = []
    assert make_runner().reply(make_runner().start(event("x"), None)) is None
    runner = make_runner()
    assert runner.reply(runner.start(event("tell"), None)).type == "t.told"
    runner = make_runner(emit=sent.append)
    assert runner.reply(runner.start(event("tell"), None)) is None
    assert [each.type for each in sent] == ["t.told"]


def test_an_emitted_event_belongs_to_the_trace_of_its_cause(make_runner):
    runner = make_runner()
    reply = runner.reply(runner.start(event("tell", extensions={"traceparent": "00-a-b-01", "flow": "f"}), None))
    assert reply.extensions == {"traceparent": "00-a-b-01"}


def test_an_emitted_event_is_one_hop_further_than_its_cause(make_runner):
    runner = make_runner()
    for given, emitted in (("0", "1"), ("19", "20"), ("x", None), ("9" * 4301, None), ("٣", None)):
        reply = runner.reply(runner.start(event("tell", extensions={"intellyhubhops": given}), None))
        assert reply.extensions.get("intellyhubhops") == emitted


def test_what_is_shown_from_the_journal_has_no_secrets(make_runner):
    runner = make_runner(secrets=("hidden word",))
    run_id = runner.start(event("ask"), None).run_id
    result = runner.decide(run_id, "the hidden word is out")
    assert "hidden" not in str(result.output)
    shown = runner.show(run_id)
    assert "hidden" not in str((shown.output, shown.variables))


def test_a_caller_chooses_the_event_and_the_variables(make_runner):
    result = make_runner().start(event("ask"), None, {"kind": "x", "said": 1})
    assert result.output == {"kind": "x", "said": 1}


def test_a_start_with_variables_is_no_answer_to_a_run_that_waits(make_runner, journal):
    runner = make_runner()
    waiting = runner.start(event("hear"), None)
    assert runner.start(event("x", type="t.heard"), None, {}).run_id != waiting.run_id
    assert journal.history(waiting.run_id).status is RunStatus.WAITING


def test_an_event_that_only_another_version_waits_for_is_sent_there(make_runner, journal):
    older, newer = make_runner(), make_runner(FLOW + "# another version\n")
    waiting = older.start(event("hear"), None)
    heard = event("x", type="t.heard")
    with pytest.raises(OtherVersion) as caught:
        newer.start(heard, None)
    assert caught.value.version == older.program.digest
    assert len(journal.runs()) == 1
    assert older.start(heard, None).run_id == waiting.run_id


def test_an_event_whose_run_is_unfinished_on_another_version_is_sent_there_and_the_run_is_free(make_runner, journal):
    older, newer = make_runner(), make_runner(FLOW + "# another version\n")
    made = event("ask")
    run_id = older.start(made, None).run_id
    journal.claim(run_id, owner="dead", lease_seconds=30)
    journal.record(run_id, [Logged(2, "info", "woken", 0)], owner="dead", durable=True)
    journal.release(run_id, owner="dead")
    for ask in (lambda: newer.start(made, None), lambda: newer.resume(run_id)):
        with pytest.raises(OtherVersion) as caught:
            ask()
        assert caught.value.version == older.program.digest
    assert journal.history(run_id).status is RunStatus.RUNNING
    assert older.resume(run_id).status is RunStatus.WAITING


def test_runs_of_another_version_can_be_replayed_and_forked(make_runner, journal):
    older, newer = make_runner(), make_runner(FLOW + "# another version\n")
    run_id = older.start(event("x"), None).run_id
    announced: list[str] = []
    again = newer.replay(run_id, {"said": "again"}, announced.append)
    forked = newer.fork(run_id, 2, {"said": "forked"}, announced.append)
    assert (again.output["said"], forked.output["said"]) == ("again", "forked")
    assert announced == [again.run_id, forked.run_id]
    assert {journal.history(each).start.version for each in announced} == {newer.program.digest}
    assert journal.history(forked.run_id).start.copied_from == (run_id, 2)


def test_a_copy_whose_id_the_caller_chose_is_made_once(make_runner, journal):
    older, newer = make_runner(), make_runner()
    run_id = older.start(event("x"), None).run_id
    ids = ["a" * 32, "b" * 32]
    for _ in range(2):
        assert newer.replay(run_id, {"said": "again"}, None, ids[0]).run_id == ids[0]
        assert newer.fork(run_id, 2, {"said": "forked"}, None, ids[1]).run_id == ids[1]
    assert {each.run_id for each in journal.runs()} == {run_id, *ids}


def test_runs_of_another_flow_are_neither_replayed_forked_nor_resumed(make_runner):
    run_id = make_runner(FLOW.replace("name: demo", "name: other")).start(event("x"), None).run_id
    runner = make_runner()
    for ask in (lambda: runner.replay(run_id, {}), lambda: runner.fork(run_id, 2, {}), lambda: runner.resume(run_id)):
        with pytest.raises(RunNotFound):
            ask()


def test_a_resumption_is_announced_once_the_run_is_held(make_runner, journal, clock):
    runner = make_runner()
    run_id = runner.start(event("later"), None).run_id
    announced: list[str] = []
    assert runner.resume(run_id, announced.append).status is RunStatus.WAITING
    assert announced == []
    clock.now += 3_601 * 10**9
    assert runner.resume(run_id, announced.append).status is RunStatus.SUCCEEDED
    assert announced == [run_id]
