"""A run as it is shown while it happens."""

import pytest

from intellyhub_engine.cli.progress import Progress, item_of
from intellyhub_engine.cli.terminal import Outlet, Terminal
from intellyhub_engine.journal.records import Logged, StepFinished, StepStatus


class Lines(Terminal):
    """A terminal that remembers."""

    def __init__(self):
        super().__init__(Outlet(None), Outlet(None))
        self.lines: list[str] = []

    def show(self, *fragments):
        self.lines.append("".join(part if isinstance(part, str) else part[0] for part in fragments))

    tell = show

    def glyph(self, wanted, plain):
        return plain


def step(status, error=None):
    return StepFinished(1, "a", "http", 1, status, "a", 0, 1_000_000, {}, error, None, ())


def test_a_failed_attempt_is_told_once():
    lines = Lines()
    progress = Progress(lines, steps=True, logs=True, verbose=False)
    progress.observe("r", step(StepStatus.RETRYING, "answered 503"))
    progress.observe("r", Logged(1, "warning", "a: answered 503; attempt 2 follows in 1 s", 0))
    assert "\n".join(lines.lines).count("answered 503") == 1


def test_without_a_log_the_step_itself_says_why_it_failed():
    lines = Lines()
    Progress(lines, steps=True, logs=False, verbose=False).observe("r", step(StepStatus.FAILED, "answered 404"))
    assert lines.lines[-1].endswith("answered 404")


@pytest.mark.parametrize(
    ("run_id", "shown"), [("r", ""), ("r.2.3", "[3]"), ("r.2.3~2", "[3]"), ("r.2.mail", ""), ("r.2.mail.4.0", "[0]")]
)
def test_an_items_run_is_told_by_its_index(run_id, shown):
    assert item_of(run_id) == shown
