"""An event that comes again finds the runs it has woken, whenever the worker died; a decision too."""

from contextlib import suppress

import pytest

from intellyhub_engine.errors import InputInvalid, LeaseLost, OtherVersion, RetryableError
from intellyhub_engine.events import Event
from intellyhub_engine.journal.records import RunStatus, RunWoken
from intellyhub_engine.machine.run import deliver, resume, start
from tests.unit.engine.machine.small import World, path_of, state


class Died(BaseException):
    """The worker is gone, as by SIGKILL: nothing more is written, and no lease is given back."""


class Mortal:
    """A journal whose worker dies after so many records."""

    def __init__(self, journal, records):
        self.journal = journal
        self.records = records

    def record(self, *given, **named):
        if self.records == 0:
            raise Died
        self.journal.record(*given, **named)
        self.records -= 1

    def release(self, run_id, *, owner):
        """A dead one gives nothing back."""

    def __getattr__(self, name):
        return getattr(self.journal, name)


def paid(number=1, **attributes):
    return Event(**{"id": str(number), "source": "/pay", "type": "paid"} | attributes)


def asking(world, **settings):
    return world.program(
        state("before", "do", "hold"),
        state("hold", "wait", "after", event="paid", output="got"),
        state("after", "do", "again"),
        state("again", "wait", "last", event="paid", output="more"),
        state("last", "do", "end"),
        **settings,
    )


def dying(world, records):
    """The same host with a journal that bears so many records more."""
    host = world.host
    return type(host)(
        **{name: getattr(host, name) for name in ("now_ns", "sleep", "catalogue", "random_bytes", "lease_seconds")},
        journal=Mortal(world.journal, records),
        owner="mortal",
    )


def begin(world, program, *run_ids):
    for run_id in run_ids or ("r",):
        start(program, world.host, run_id=run_id)


def test_an_event_wakes_a_run_once_though_it_waits_for_another_of_its_kind():
    world = World()
    program = asking(world)
    begin(world, program)
    assert [result.status for result in deliver(program, world.host, paid())] == [RunStatus.WAITING]
    [again] = deliver(program, world.host, paid())
    assert (again.run_id, again.status, path_of(again)) == ("r", RunStatus.WAITING, ["before", "hold", "after"])
    [ended] = deliver(program, world.host, paid(2))
    assert ended.status is RunStatus.SUCCEEDED
    for number in (1, 2):
        [told] = deliver(program, world.host, paid(number))
        assert (told.run_id, told.status) == ("r", RunStatus.SUCCEEDED)
    assert world.effects.done == ["r/1", "r/3", "r/5"]
    assert [run.run_id for run in world.journal.runs()] == ["r"]


@pytest.mark.parametrize("records", range(6))
def test_wherever_the_worker_dies_the_event_that_comes_again_goes_on_with_the_run(records):
    world = World()
    program = asking(world)
    begin(world, program)
    try:
        deliver(program, dying(world, records), paid())
    except Died:
        with pytest.raises(LeaseLost):
            deliver(program, world.host, paid())
        world.clock.pass_by(60)
    [result] = deliver(program, world.host, paid())
    assert (result.run_id, result.status, path_of(result)) == ("r", RunStatus.WAITING, ["before", "hold", "after"])
    assert sorted(set(world.effects.done)) == ["r/1", "r/3"]
    assert len(world.effects.done) <= 3
    assert [run.run_id for run in world.journal.runs()] == ["r"]


@pytest.mark.parametrize("records", range(8))
def test_an_event_that_wakes_several_runs_wakes_each_once(records):
    world = World()
    program = asking(world)
    begin(world, program, "one", "two", "three")
    try:
        deliver(program, dying(world, records), paid())
    except Died:
        world.clock.pass_by(60)
    results = deliver(program, world.host, paid())
    assert {result.run_id: path_of(result)[-1] for result in results} == dict.fromkeys(["one", "two", "three"], "after")
    for name in ("one", "two", "three"):
        entries = world.journal.history(name).entries
        assert sum(isinstance(entry, RunWoken) for entry in entries) == 1
    assert len(world.journal.runs()) == 3


def test_a_run_in_hand_does_not_keep_the_event_from_the_others():
    world = World()
    program = asking(world)
    begin(world, program, "one", "two")
    world.journal.claim("one", owner="another", lease_seconds=30)
    with pytest.raises(LeaseLost):
        deliver(program, world.host, paid())
    assert path_of(resume(program, world.host, "two"))[-1] == "after"
    world.clock.pass_by(31)
    assert len(deliver(program, world.host, paid())) == 2


def test_an_event_that_made_a_run_wakes_none_when_it_comes_again():
    world = World()
    program = asking(world)
    made = start(program, world.host, event=paid())
    begin(world, program, "later")
    assert deliver(program, world.host, paid()) == []
    assert start(program, world.host, event=paid()).run_id == made.run_id
    assert resume(program, world.host, "later").status is RunStatus.WAITING


def test_a_run_that_was_cancelled_while_it_waited_is_not_woken():
    world = World()
    program = asking(world)
    begin(world, program)
    assert world.journal.request_cancel("r")
    assert deliver(program, world.host, paid()) == []


def test_a_run_that_was_cancelled_after_it_was_woken_is_found_and_makes_no_other():
    world = World()
    program = asking(world)
    begin(world, program)
    deliver(program, world.host, paid())
    world.journal.request_cancel("r")
    [told] = deliver(program, world.host, paid())
    assert (told.run_id, told.status) == ("r", RunStatus.CANCELLED)
    assert start(program, world.host, event=paid()).run_id == "r"


def test_a_deadline_that_is_faster_than_the_event_leaves_it_to_others(monkeypatch):
    world = World()
    program = world.program(
        state("hold", "wait", "end", event="paid", timeout_seconds=60, targets={"error": "late"}), state("late", "end")
    )
    begin(world, program)
    found = world.journal.runs_of_event
    world.clock.pass_by(61)

    def look(event, *, flow):
        seen = found(event, flow=flow)
        assert resume(program, world.host, "r").end_state == "late"
        return seen

    monkeypatch.setattr(world.journal, "runs_of_event", look)
    assert deliver(program, world.host, paid()) == []


def test_a_run_that_fails_for_now_after_its_event_goes_on_when_the_event_comes_again():
    faults = [RetryableError("the till is shut", retry_after_seconds=7)]

    def perform(parameters, step):
        if step.idempotency_key.endswith("/2") and faults:
            raise faults.pop()
        return 1

    world = World(perform)
    program = world.program(
        state("hold", "wait", "pay", event="paid"),
        state("pay", "do", "more"),
        state("more", "wait", "end", event="paid"),
    )
    start(program, world.host, event=Event(id="0", source="/order", type="ordered"), run_id="r")
    [failed] = deliver(program, world.host, paid())
    assert (failed.status, failed.retry_after_seconds) == (RunStatus.FAILED, 7)
    [again] = deliver(program, world.host, paid())
    assert (again.run_id, again.status) == ("r~1", RunStatus.WAITING)
    results = deliver(program, world.host, paid())
    assert {(each.run_id, each.status) for each in results} == {("r~1", RunStatus.WAITING)}
    assert len(world.journal.runs()) == 2


def test_a_run_of_another_version_that_the_event_has_woken_is_told_of_once_it_rests():
    world = World()
    older, newer = asking(world), asking(world, digest="d2")
    begin(world, older)
    with pytest.raises(OtherVersion):
        deliver(newer, world.host, paid())
    with pytest.raises(Died):
        deliver(older, dying(world, 1), paid())
    with pytest.raises(OtherVersion) as refusal:
        deliver(newer, world.host, paid())
    assert refusal.value.version == "d1"
    world.clock.pass_by(60)
    deliver(older, world.host, paid())
    assert [told.status for told in deliver(newer, world.host, paid())] == [RunStatus.WAITING]


CHILDREN = pytest.mark.parametrize("kind", ["branch", "call", "nested"])


def with_child(world, kind, wait):
    """A flow whose child run waits; in `nested`, a child of a child."""
    called = world.program(wait, state("told", "do", "end"), name="called")
    middle = world.program(state("inner", "call", "end", flow="called"), name="middle")
    flows = {"called": called, "middle": middle}
    if kind == "branch":
        program = world.program(
            state("split", "parallel", "after", targets={"branch:a": wait.name}),
            wait,
            state("told", "do", "split"),
            state("after", "do", "end"),
        )
    else:
        flow = "called" if kind == "call" else "middle"
        program = world.program(state("split", "call", "after", flow=flow), state("after", "do", "end"))
    object.__setattr__(world.host, "find_flow", flows.get)
    return program


@CHILDREN
@pytest.mark.parametrize("records", range(7))
def test_a_child_run_that_was_woken_is_gone_on_with_from_the_top(kind, records):
    world = World()
    program = with_child(world, kind, state("hold", "wait", "told", event="paid"))
    begin(world, program)
    mortal = dying(world, records)
    object.__setattr__(mortal, "find_flow", world.host.find_flow)
    try:
        deliver(program, mortal, paid())
    except Died:
        world.clock.pass_by(60)
    [result] = deliver(program, world.host, paid())
    assert (result.run_id, result.status) == ("r", RunStatus.SUCCEEDED)
    assert len(set(world.effects.done)) == 2
    assert len(world.effects.done) <= 3


@CHILDREN
@pytest.mark.parametrize("records", range(1, 7))
def test_a_run_whose_child_was_woken_is_due_when_its_worker_dies(kind, records):
    world = World()
    program = with_child(world, kind, state("hold", "wait", "told", approval="May it?"))
    begin(world, program)
    mortal = dying(world, records)
    object.__setattr__(mortal, "find_flow", world.host.find_flow)
    with suppress(Died):
        resume(program, mortal, "r", decision=True)
    world.clock.pass_by(60)
    if world.journal.history("r").status is RunStatus.RUNNING:
        assert world.journal.due(world.clock.now) == ["r"]
        resume(program, world.host, "r")
    result = resume(program, world.host, "r", decision=True)
    assert (result.run_id, result.status) == ("r", RunStatus.SUCCEEDED)


def test_the_same_decision_again_is_answered_how_the_run_stands():
    world = World()
    program = world.program(
        state("hold", "wait", "after", approval="ship?"), state("after", "wait", "end", seconds=3600)
    )
    begin(world, program)
    assert resume(program, world.host, "r", decision={"approved": True}).status is RunStatus.WAITING
    assert resume(program, world.host, "r", decision={"approved": True}).status is RunStatus.WAITING
    with pytest.raises(InputInvalid, match="does not wait for an answer"):
        resume(program, world.host, "r", decision={"approved": False})
    world.clock.pass_by(3601)
    assert resume(program, world.host, "r").status is RunStatus.SUCCEEDED
    assert resume(program, world.host, "r", decision={"approved": True}).status is RunStatus.SUCCEEDED


def test_the_same_decision_again_while_the_run_is_at_work_is_answered_too():
    world = World()
    program = world.program(state("hold", "wait", "after", approval="ship?"), state("after", "do", "end"))
    begin(world, program)
    with pytest.raises(Died):
        resume(program, dying(world, 1), "r", decision=True)
    assert resume(program, world.host, "r", decision=True).status is RunStatus.RUNNING


def test_a_decision_answers_no_question_that_was_asked_after_it_was_given(monkeypatch):
    world = World()
    program = world.program(
        state("one", "wait", "two", approval="one?", output="first"),
        state("two", "wait", "end", approval="two?", output="second"),
    )
    begin(world, program)
    claim = world.journal.claim

    def late(run_id, *, owner, lease_seconds):
        monkeypatch.setattr(world.journal, "claim", claim)
        resume(program, world.host, "r", decision="yes")  # somebody else was faster
        return claim(run_id, owner=owner, lease_seconds=lease_seconds)

    monkeypatch.setattr(world.journal, "claim", late)
    result = resume(program, world.host, "r", decision="yes")
    assert result.suspended is not None
    assert (result.status, result.suspended.approval) == (RunStatus.WAITING, "two?")


def test_an_event_that_someone_else_delivers_at_the_same_moment_wakes_the_run_once(monkeypatch):
    world = World()
    program = asking(world)
    begin(world, program)
    claim = world.journal.claim

    def late(run_id, *, owner, lease_seconds):
        monkeypatch.setattr(world.journal, "claim", claim)
        deliver(program, world.host, paid())
        return claim(run_id, owner=owner, lease_seconds=lease_seconds)

    monkeypatch.setattr(world.journal, "claim", late)
    [result] = deliver(program, world.host, paid())
    assert (result.status, path_of(result)) == (RunStatus.WAITING, ["before", "hold", "after"])
