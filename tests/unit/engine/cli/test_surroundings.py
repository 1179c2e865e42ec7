"""The names a flow finds outside itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intellyhub_engine.cli.surroundings import find_secrets, make_outer, parse_env_file, read_env_file
from intellyhub_engine.errors import InputInvalid


def parse(text):
    return parse_env_file(text.splitlines(), "e.env")


def test_the_usual_forms_of_an_env_file_are_read():
    text = """
# a comment
A=1
export B = two words   # and a comment
C='single $A # kept'
D="line\\nfeed \\"quoted\\"" # comment
E=
F=a#b
"""
    assert parse(text) == {
        "A": "1",
        "B": "two words",
        "C": "single $A # kept",
        "D": 'line\nfeed "quoted"',
        "E": "",
        "F": "a#b",
    }


def test_every_line_at_fault_is_named_and_none_is_shown():
    with pytest.raises(InputInvalid) as caught:
        parse("A=1\nsecret-without-name\n1B=2\n")
    assert "e.env:2" in str(caught.value)
    assert "e.env:3" in str(caught.value)
    assert "secret-without-name" not in str(caught.value)


@given(st.text(st.characters(codec="utf-8", exclude_characters="'\r\n\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")))
def test_single_quotes_keep_any_text(value):
    assert parse(f"A='{value}'") == {"A": value}


def test_an_env_file_that_is_not_text_is_refused_with_its_line(tmp_path):
    (tmp_path / "e.env").write_bytes(b"A=1\nB=\xff\n")
    with pytest.raises(InputInvalid, match=r"e\.env:2"):
        read_env_file(str(tmp_path / "e.env"))


def test_the_env_file_wins_over_the_environment_and_our_settings_stay_out(tmp_path):
    (tmp_path / "e.env").write_text("A=file\n")
    environment = {"A": "process", "B": "b", "INTELLYHUB_JOURNAL": "x", "K_SINK": "y"}
    assert make_outer(environment, str(tmp_path / "e.env")) == {"A": "file", "B": "b"}


def test_values_are_secret_by_their_name():
    names = {
        "TELEGRAM_BOT_TOKEN": "123:abc",
        "DB_PASS": "hunter22",
        "OPENAI_API_KEY": "sk-1234",
        "KEYBOARD": "italian",
        "COMPASS": "north",
        "HOME": "/home/ada",
        "SECRET_NUMBER": 12345678,
    }
    assert find_secrets(names) == {"123:abc", "hunter22", "sk-1234"}
