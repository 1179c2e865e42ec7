"""Secrets made unreadable."""

import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intellyhub_engine.events import Event
from intellyhub_engine.journal.records import Logged, RunFinished, RunStatus, StepFinished, StepStarted, StepStatus
from intellyhub_engine.language.values.values import Record, TextRecord
from intellyhub_engine.machine.masking import MASK, mask, mask_entry, sounds_secret

SECRET = 'p"a/ss\\w ör\n'


@pytest.mark.parametrize(
    "shown",
    [
        SECRET,
        f"before {SECRET} after",
        json.dumps({"password": SECRET}),
        json.dumps({"password": SECRET}, ensure_ascii=False),
        f"https://x/?p={quote(SECRET, safe='')}",
        repr({"password": SECRET}),
        SECRET.strip(),
    ],
)
def test_a_secret_is_masked_however_it_is_written(shown):
    masked = mask(shown, [SECRET])
    assert MASK in masked
    assert "a/ss" not in masked
    assert "a%2Fss" not in masked


def test_nested_values_and_keys_are_masked_and_keep_their_types():
    value = Record(a=["x hunter2", ("hunter2",), {"hunter2"}], hunter2=Record(b=b"hunter2"))
    masked = mask(value, ["hunter2"])
    assert masked == {"a": ["x ***", ("***",), {"***"}], "***": {"b": b"***"}}
    assert masked.a[0] == "x ***"


def test_a_text_record_keeps_its_text():
    masked = mask(TextRecord({"answer": "say hunter2"}, "answer"), ["hunter2"])
    assert str(masked) == "say ***"


def test_a_number_that_is_a_secret_is_masked():
    assert mask([123456, 12345, 1234567, True, None], ["123456"]) == ["***", 12345, 1234567, True, None]


@pytest.mark.parametrize("short", ["", "a", "abc"])
def test_short_secrets_are_left(short):
    assert mask("a b c abc", [short]) == "a b c abc"


def test_a_secret_within_another_leaves_no_rest():
    assert mask("token-long and token", ["token", "token-long"]) == "*** and ***"


def test_the_original_is_not_changed():
    value = Record(a=["hunter2"])
    mask(value, ["hunter2"])
    assert value == {"a": ["hunter2"]}


def test_without_secrets_the_value_itself_comes_back():
    value = Record(a=1)
    assert mask(value, []) is value


@given(
    st.text(min_size=4, max_size=20).filter(lambda text: len(text.strip("*")) == len(text) and len(text.strip()) >= 4),
    st.recursive(
        st.text(max_size=5), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner)
    ),
)
def test_no_value_shows_a_secret_put_anywhere_in_it(secret, rest):
    assert secret not in mask([f"<{secret}>", {"k": [secret, rest]}], [secret])[0]
    shown = json.dumps(mask({"k": [f"{secret}!", {secret: 1}]}, [secret]), ensure_ascii=False)
    assert json.dumps(secret, ensure_ascii=False)[1:-1] not in shown.replace(MASK, "")


def test_entries_are_masked():
    step = StepFinished(
        1, "a", "do", 1, StepStatus.SUCCEEDED, None, 1, 1, {"x": "hunter2"}, None, {"l": ["hunter2"]}, ()
    )
    assert mask_entry(step, ["hunter2"]) == step._replace(changes={"x": "***"}, loops={"l": ["***"]})
    end = RunFinished(RunStatus.FAILED, "a", "no hunter2", {"o": "hunter2"}, 1)
    assert mask_entry(end, ["hunter2"]) == end._replace(error="no ***", output={"o": "***"})
    assert mask_entry(Logged(1, "info", "hunter2", 1), ["hunter2"]) == Logged(1, "info", "***", 1)
    started = StepStarted(1, "a", "do", 1, 1)
    assert mask_entry(started, ["hunter2"]) is started


def test_emitted_events_are_masked():
    event = Event(id="1", source="s", type="t", data={"k": "hunter2"}, subject="hunter2")
    step = StepFinished(1, "a", "emit", 1, StepStatus.SUCCEEDED, None, 1, 1, {}, None, None, (event,))
    assert "hunter2" not in repr(mask_entry(step, ["hunter2"]))


@pytest.mark.parametrize("name", ["BOT_TOKEN", "db_password", "OPENAI_API_KEY", "APIKEY", "X_PASS", "AWS_SECRET_ID"])
def test_a_name_may_sound_secret(name):
    assert sounds_secret(name)


@pytest.mark.parametrize("name", ["PATH", "MONKEY", "KEYBOARD", "COMPASS", "LANG"])
def test_an_ordinary_name_does_not_sound_secret(name):
    assert not sounds_secret(name)
