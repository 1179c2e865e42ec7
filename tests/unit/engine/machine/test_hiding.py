"""Secrets kept out of the journal, and back again."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from intellyhub_engine.events import Event
from intellyhub_engine.journal.records import RunFinished, RunStart, RunStatus, StepFinished, StepStarted, StepStatus
from intellyhub_engine.machine.hiding import hide_entry, hide_start, reveal_entry, reveal_start
from intellyhub_engine.machine.masking import mask
from intellyhub_engine.machine.run import fork, replay, resume, start
from tests.unit.engine.machine.small import World, state

SECRETS = ["hunter2", "hunter2-long", "abc"]
VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=9) | st.sampled_from(["hunter2", "a hunter2-long b", b"hunter2"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.just("hunter2"), inner),
    max_leaves=8,
)


def finished(changes):
    event = Event(id="1", source="s", type="t", data=changes)
    return StepFinished(1, "a", "do", 1, StepStatus.SUCCEEDED, None, 1, 1, changes, None, {"l": changes}, (event,))


@given(st.dictionaries(st.text(max_size=5), VALUES))
def test_what_is_hidden_comes_back_as_it_was(changes):
    entry = finished(changes)
    hidden = hide_entry(entry, SECRETS, "f")
    assert "hunter2" not in repr(hidden)
    assert reveal_entry(hidden, SECRETS, "f") == entry


def test_a_token_is_another_in_another_flow():
    entry = finished({"x": "hunter2"})
    assert hide_entry(entry, SECRETS, "f") != hide_entry(entry, SECRETS, "g")


def test_without_the_secret_a_token_stays():
    hidden = hide_entry(finished({"x": "hunter2"}), SECRETS, "f")
    assert reveal_entry(hidden, ["other"], "f") == hidden


def test_the_answer_and_the_callers_variables_are_hidden():
    end = RunFinished(RunStatus.SUCCEEDED, "a", None, {"t": "hunter2"}, 1)
    assert "hunter2" not in repr(hide_entry(end, SECRETS, "f"))
    assert reveal_entry(hide_entry(end, SECRETS, "f"), SECRETS, "f") == end
    begin = RunStart(run_id="r", flow="f", version="", started_ns=1, variables={"t": "hunter2"})
    assert "hunter2" not in repr(hide_start(begin, SECRETS))
    assert reveal_start(hide_start(begin, SECRETS), SECRETS) == begin


def test_a_token_is_shown_as_the_mask():
    hidden = hide_entry(finished({"x": "a hunter2 b"}), SECRETS, "f")
    assert isinstance(hidden, StepFinished)
    assert mask(hidden.changes, SECRETS) == {"x": "a *** b"}


def test_entries_without_values_are_left():
    entry = StepStarted(1, "a", "do", 1, 1)
    assert hide_entry(entry, SECRETS, "f") is entry


def test_a_resumed_run_has_its_secrets_again_and_the_journal_never_had_them():
    world = World()
    program = world.program(
        state("a", "set", "hold", values={"copy": "{KEY}"}),
        state("hold", "wait", "use", approval="go?"),
        state("use", "do", "end", give="Bearer {copy} {mine}"),
    )
    host = replace(world.host, outer={"KEY": "hunter2"}, secrets=["hunter2"])
    start(program, host, run_id="r", variables={"mine": "my hunter2"})
    result = resume(program, host, "r", decision=True)
    assert world.effects.steps[-1].scope["copy"] == "hunter2"
    assert world.effects.steps[-1].scope["mine"] == "my hunter2"
    assert result.variables["copy"] == "***"
    assert "hunter2" not in repr(world.journal.history("r"))
    forked = fork(program, host, "r", 3, variables={"more": "hunter2"})
    assert world.effects.steps[-1].scope["copy"] == "hunter2"
    again = replay(program, host, "r")
    assert again.status is RunStatus.WAITING
    assert "hunter2" not in repr([world.journal.history(run_id) for run_id in (forked.run_id, again.run_id)])
