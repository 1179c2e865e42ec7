"""What was asked a moment ago."""

from intellyhub_control_plane import recent
from intellyhub_control_plane.recent import Recent


def test_what_nobody_is_given_any_more_is_not_kept(monkeypatch):
    at = 100.0
    monkeypatch.setattr("intellyhub_control_plane.recent.time.monotonic", lambda: at)
    answers = Recent[int](1.0)
    assert [answers.get("a", lambda: 1), answers.get("a", lambda: 2)] == [1, 1]
    at = 103.0
    assert answers.get("b", lambda: 3) == 3
    assert list(answers._kept) == ["b"]


def test_of_too_many_the_oldest_goes_first(monkeypatch):
    monkeypatch.setattr(recent, "MOST_KEPT", 2)
    answers = Recent[int](60.0)
    for key in ("a", "b", "c"):
        answers.get(key, lambda: 1)
    assert [answers.get(key, lambda: 2) for key in ("b", "c", "a")] == [1, 1, 2]
