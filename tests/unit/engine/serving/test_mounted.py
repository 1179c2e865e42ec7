"""What a pod is told in files, when they are replaced."""

import json
import threading

import pytest

from intellyhub_engine.errors import InputInvalid, JournalUnwritable
from intellyhub_engine.serving.mounted import LOOK_SECONDS, Mounted, make_token
from intellyhub_engine.serving.outside import Outside
from intellyhub_engine.serving.settings import Settings
from tests.integration.pods import Mount


class Clock:
    now = 100.0

    def __call__(self):
        return self.now

    def wait(self):
        self.now += LOOK_SECONDS


@pytest.fixture
def folders(tmp_path):
    variables, secrets = Mount(tmp_path / "variables"), Mount(tmp_path / "secrets")
    tell(variables, {"CITY": "Rome"}, {"day": {"tokens": 5}})
    secrets.put(KEY="first")
    return variables, secrets


def tell(variables, values, budget):
    variables.put(**{"variables.json": json.dumps(values), "budget.json": json.dumps(budget)})


@pytest.fixture
def settings(folders):
    variables, secrets = folders
    return Settings(
        variables_file=str(variables.folder / "variables.json"),
        budget_file=str(variables.folder / "budget.json"),
        secrets_dir=str(secrets.folder),
    )


def test_what_has_changed_is_read_again_once(settings, folders):
    clock = Clock()
    mounted = Mounted(settings, {}, clock=clock)
    assert (mounted.told.surroundings.outer, mounted.told.budget) == (
        {"CITY": "Rome", "KEY": "first"},
        {"day": {"tokens": 5}},
    )
    clock.wait()
    assert mounted.renew() is None
    tell(folders[0], {"CITY": "Oslo"}, {})
    folders[1].put(KEY="second")
    assert mounted.renew() is None, "it was looked a moment ago"
    clock.wait()
    told = mounted.renew()
    assert told is not None
    assert (told.surroundings.outer, told.budget) == ({"CITY": "Oslo", "KEY": "second"}, {})
    assert "second" in told.surroundings.secrets
    clock.wait()
    assert mounted.renew() is None


def test_what_cannot_be_read_leaves_what_was_known_and_is_tried_again(settings, folders, caplog):
    clock = Clock()
    mounted = Mounted(settings, {}, clock=clock)
    folders[0].put(**{"variables.json": "[", "budget.json": "{}"})
    for _ in range(2):
        clock.wait()
        assert mounted.renew() is None
        assert mounted.told.surroundings.outer["CITY"] == "Rome"
    assert len(caplog.records) == 2
    tell(folders[0], {"CITY": "Oslo"}, {})
    clock.wait()
    assert mounted.renew() is mounted.told
    assert mounted.told.surroundings.outer["CITY"] == "Oslo"


def test_a_file_that_is_not_mounted_may_change_too(tmp_path):
    path, clock = tmp_path / "variables.json", Clock()
    path.write_text("{}")
    mounted = Mounted(Settings(variables_file=str(path)), {}, clock=clock)
    path.write_text('{"a": 1}')
    clock.wait()
    assert mounted.renew() is mounted.told
    assert mounted.told.surroundings.outer == {"a": 1}


def test_a_budget_that_is_none_is_refused_at_the_start(tmp_path):
    path = tmp_path / "budget.json"
    path.write_text("[]")
    with pytest.raises(InputInvalid, match="INTELLYHUB_BUDGET_FILE"):
        Mounted(Settings(budget_file=str(path)), {})


def test_files_are_read_by_the_thread_that_stays_outside(settings, monkeypatch):
    readers = []
    outside = Outside()
    do = outside.do

    def note_and_do(call):
        def noted():
            readers.append(threading.current_thread().name)
            return call()

        return do(noted)

    monkeypatch.setattr(outside, "do", note_and_do)
    Mounted(settings, {}, outside)
    assert readers == ["outside"]


def test_a_token_is_read_outside_and_its_fault_is_raised_here(tmp_path):
    outside = Outside()
    path = tmp_path / "token"
    token = make_token(Settings(journal_token_file=str(path)), outside)
    assert token is not None
    with pytest.raises(JournalUnwritable):
        token.read()
    path.write_text("one\n")
    assert token.read() == "one"
    path.write_text("two\n")
    assert token.read() == "two"
    assert make_token(Settings(), outside) is None
