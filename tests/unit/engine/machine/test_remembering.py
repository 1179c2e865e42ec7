"""What flows remember from run to run."""

import threading

import pytest

from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.journal.memory import MemoryJournal
from intellyhub_engine.journal.records import RunStatus
from intellyhub_engine.machine.run import start
from tests.unit.engine.machine.small import make_catalogue, make_host, make_program, state


def perform_in(host_settings, *performs, name="small"):
    """One run of one flow for each; all in one process."""
    answers, host = [], None
    for perform in performs:

        def ask(parameters, step, perform=perform):
            return perform(step.memory)

        catalogue = make_catalogue(ask=ask)
        program = make_program(state("a", "ask", "end", output="it"), catalogue=catalogue, name=name)
        host = make_host(catalogue=catalogue, **host_settings) if host is None else same(host, catalogue)
        result = start(program, host)
        assert result.status is RunStatus.SUCCEEDED, result.error
        answers.append(result.variables.get("it"))
    return answers


def same(host, catalogue):
    from copy import copy

    other = copy(host)
    object.__setattr__(other, "catalogue", catalogue)
    return other


@pytest.mark.parametrize("journal", [MemoryJournal, lambda: None])
def test_the_next_run_reads_what_the_last_one_wrote(journal):
    written = {"turns": [{"role": "user", "text": "ciao"}], "n": 1.5}
    answers = perform_in(
        {"journal": journal()},
        lambda memory: memory.read("chat"),
        lambda memory: memory.write("chat", written),
        lambda memory: memory.read("chat"),
        lambda memory: memory.write("chat", None),
        lambda memory: memory.read("chat"),
    )
    assert answers == [None, None, written, None, None]


def test_secrets_are_not_remembered():
    settings = {"journal": MemoryJournal(), "secrets": ["hunter22"]}
    answers = perform_in(
        settings, lambda memory: memory.write("chat", ["it is hunter22"]), lambda memory: memory.read("chat")
    )
    assert answers[1] == ["it is ***"]


def test_changes_made_at_once_are_all_kept():
    def add(memory):
        def work():
            for _ in range(20):
                memory.change("n", lambda n: (n or 0) + 1)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return memory.read("n")

    assert perform_in({"journal": MemoryJournal()}, add) == [80]


def test_a_value_that_is_too_large_fails_its_step():
    def write(memory):
        with pytest.raises(InputInvalid, match="a memory keeps up to"):
            memory.write("chat", "x" * 300_000)

    perform_in({"journal": MemoryJournal()}, write)
