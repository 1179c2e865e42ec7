"""The report of the contract."""

from tests.contract.figures import Figure, Outcome, make_report, sentence_of


def test_a_name_becomes_a_sentence():
    assert sentence_of("test_a_run_goes_on[contract-busy]") == "A run goes on (contract-busy)"


def test_every_promise_has_a_line_and_what_was_not_kept_its_reason():
    outcomes = [
        Outcome(name="test_it_runs", outcome="passed", seconds=1.25),
        Outcome(name="test_it_flies", outcome="failed", seconds=2, why="no | wings\n  at all"),
        Outcome(name="test_it_swims", outcome="skipped", seconds=0, why="no water"),
    ]
    report = make_report("a hill", outcomes, [Figure(name="height", value="12 m")])
    assert "1 kept, 1 BROKEN, 1 not tried." in report
    assert "| It flies | BROKEN: no \\| wings at all | 2.0 |" in report
    assert "| It swims | not tried: no water | 0.0 |" in report
    assert "| height | 12 m |" in report
