"""Taking turns."""

from contextlib import contextmanager
from functools import partial

from tests.benchmarks.rounds import Contestant, compare, make_contestant


def test_contestants_take_turns_and_change_the_order_each_round():
    order = []

    def prepare(name):
        def sample():
            order.append(name)
            return 1.0

        return sample

    compare([make_contestant(name, partial(prepare, name)) for name in "AB"], 3)
    assert "".join(order) == "AB" + "AB" + "BA" + "AB"  # a warm-up first


def test_the_warm_up_does_not_count():
    samples = iter([100.0, 1.0, 2.0, 3.0])
    (figure,) = compare([make_contestant("A", lambda: lambda: next(samples))], 3)
    assert figure.spread is not None
    assert (figure.spread.median, figure.spread.high) == (2.0, 3.0)


def test_a_contestant_that_cannot_be_prepared_is_reported_and_the_others_go_on(capsys):
    def prepare():
        raise ModuleNotFoundError("No module named 'gone'")

    gone, other = compare([make_contestant("gone", prepare), make_contestant("other", lambda: lambda: 1.0)], 2)
    assert gone.spread is None
    assert gone.fault == "ModuleNotFoundError: No module named 'gone'"
    assert other.spread is not None
    assert "gone" in capsys.readouterr().err


def test_a_contestant_that_fails_in_a_later_round_has_failed():
    samples = iter([1.0, 1.0])
    (figure,) = compare([make_contestant("A", lambda: lambda: next(samples))], 3)
    assert (figure.spread, figure.fault) == (None, "StopIteration")


def test_everything_opened_is_closed_in_the_end():
    closed = []

    @contextmanager
    def opened():
        yield lambda: 1 / 0
        closed.append("yes")

    compare([Contestant(name="A", open=opened)], 1)
    assert closed == ["yes"]
