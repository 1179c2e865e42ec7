"""The google_sheets state against a double of the API that checks what Google checks."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from intellyhub_engine.errors import PermanentError, RetryableError, StepTimedOut
from intellyhub_engine.language.values.values import Record
from intellyhub_functions.states.google_sheets import credentials
from intellyhub_functions.states.google_sheets.google_sheets import perform
from intellyhub_functions.testing.examples import run_example
from intellyhub_functions.testing.google_sheets import SheetsApi
from intellyhub_functions.testing.proxy import Proxy
from intellyhub_functions.testing.server import Answer
from intellyhub_functions.testing.surroundings import make_step

BOOK = "1BxiMVs0XRA5nFMdKvBdBZjgmUUqptlbs74OgvE2upms"
USERS = [["Name", "Email", "City"], ["Ada", "ada@example.org", "Milano"], ["Bob", "bob@example.org"]]


@pytest.fixture(scope="module")
def google():
    with SheetsApi() as api:
        yield api


@pytest.fixture
def api(google):
    google.spreadsheets = {BOOK: {"Sheet1": [], "Users": [list(row) for row in USERS]}}
    google.failures.clear()
    google.calls.clear()
    return google


@pytest.fixture
def step(api, tmp_path):
    names = {"GOOGLE_SERVICE_ACCOUNT_KEY": api.account_key, "GOOGLE_SHEETS_BASE_URL": api.url}
    return make_step(tmp_path, names)


def run(step, action, **more):
    return perform({"action": action, "spreadsheet_id": BOOK, "sheet_name": "Users", **more}, step)


def test_reading_gives_rows_and_records(step):
    found = run(step, "read")
    assert found.data == USERS
    assert found.records == [
        {"Name": "Ada", "Email": "ada@example.org", "City": "Milano"},
        {"Name": "Bob", "Email": "bob@example.org", "City": ""},
    ]
    assert (found.success, found.range, found.rows_count, found.columns_count) == (True, "'Users'!A1:C3", 3, 3)
    assert run(step, "read", range="B2:C3").data == [["ada@example.org", "Milano"], ["bob@example.org"]]
    assert run(step, "read", sheet_name="Sheet1").rows_count == 0


def test_writing_appending_and_clearing_change_the_sheet(api, step):
    done = run(step, "write", range="A5:B5", values=[["Eve", 7.5], [None, True]])
    assert (done.updated_cells, done.updated_range, done.updated_rows, done.updated_columns) == (
        *(4, "'Users'!A5:B6"),
        *(2, 2),
    )
    assert api.spreadsheets[BOOK]["Users"][4:] == [["Eve", 7.5], ["", True]]
    added = run(step, "append", values=[Record(name="Zoe", email="zoe@example.org")])
    assert (added.appended_rows, added.updated_range) == (1, "'Users'!A7:B7")
    assert api.spreadsheets[BOOK]["Users"][6] == ["Zoe", "zoe@example.org"]
    assert run(step, "append", values=["a", "single", "row"]).updated_cells == 3
    assert run(step, "clear", range="A2:C99").cleared_range == "'Users'!A2:C99"
    assert run(step, "read").data == [USERS[0]]


def test_a_stranger_s_text_does_not_become_a_formula_unless_asked_for(api, step):
    run(step, "append", values=[["=IMPORTXML('x')"]])
    assert "valueInputOption=RAW" in api.calls[-1].path
    run(step, "append", values=[["=1+1"]], value_input="user_entered")
    assert "valueInputOption=USER_ENTERED" in api.calls[-1].path


@pytest.mark.parametrize("column", ["Email", "email", "B", "b", 2, "02"])
def test_search_takes_a_name_a_letter_or_a_number_for_the_column(step, column):
    found = run(step, "search", search_query="BOB@example.org", search_column=column)
    assert found.matches == [
        {"row": 3, "column": "B", "value": "bob@example.org", "full_row": ["Bob", "bob@example.org"]}
    ]
    assert (found.matches_count, found.search_query, found.search_column) == (1, "BOB@example.org", str(column))


def test_search_finds_parts_everywhere_or_whole_cells(step):
    assert [match.column for match in run(step, "search", search_query="ada").matches] == ["A", "B"]
    assert run(step, "search", search_query="ada", match="exact").matches_count == 0
    assert run(step, "search", search_query="Ada", match="exact").matches[0].row == 2
    assert run(step, "search", search_query="name", search_column="Name").matches == []
    inside = run(step, "search", search_query="bob", search_column="B", range="B2:C3").matches
    assert [(match.row, match.column) for match in inside] == [(3, "B")]


def test_a_new_sheet_is_made_once(step):
    made = run(step, "create_sheet", sheet_name="Report's 2025")
    assert made.sheet_name == "Report's 2025"
    assert run(step, "create_sheet", sheet_name="Report's 2025").sheet_id == made.sheet_id
    assert run(step, "append", sheet_name="Report's 2025", values=[["x"]]).appended_rows == 1


def test_the_address_of_a_spreadsheet_is_its_id_too(step):
    address = f"https://docs.google.com/spreadsheets/d/{BOOK}/edit#gid=0"
    assert run(step, "read", spreadsheet_id=address).rows_count == 3


def test_a_token_is_asked_for_once_and_again_when_it_has_ended(api, step, monkeypatch):
    credentials.TOKENS.clear()
    before = api.tokens_given
    run(step, "read")
    run(step, "read")
    assert api.tokens_given == before + 1
    monkeypatch.setattr(credentials, "SPARE_SECONDS", 4000.0)
    credentials.TOKENS.clear()
    run(step, "read")
    run(step, "read")
    assert api.tokens_given == before + 3


def test_the_key_comes_as_text_record_or_file_of_the_workspace(api, tmp_path):
    step = make_step(tmp_path, {"GOOGLE_SHEETS_BASE_URL": api.url})
    (tmp_path / "key.json").write_text(api.account_key)
    assert run(step, "read", credentials_json=api.account_key).success
    assert run(step, "read", credentials_json=Record(json.loads(api.account_key))).success
    assert run(step, "read", credentials_path="key.json").success
    with pytest.raises(PermanentError, match="outside the workspace"):
        run(step, "read", credentials_path="/etc/passwd")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"private_key": "none"}, "not a service account's key that can be used"),
        ({"client_email": "stranger@example.org"}, "Google refuses the service account"),
        ({"type": "authorized_user"}, "its type must be service_account"),
        ({"token_uri": "http://169.254.169.254/token"}, "may not connect"),
        ({"token_uri": None}, "not a service account's key"),
    ],
)
def test_a_key_that_cannot_be_used_is_told_without_its_secret(api, step, change, message):
    key = {name: value for name, value in {**json.loads(api.account_key), **change}.items() if value is not None}
    with pytest.raises(PermanentError, match=message) as told:
        run(step, "read", credentials_json=json.dumps(key))
    assert "PRIVATE KEY" not in str(told.value)
    assert told.value.result == {"success": False, "error": str(told.value)}


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"action": "read", "spreadsheet_id": "none"}, "answered 404: .*; the spreadsheet_id is wrong"),
        ({"action": "read", "sheet_name": "None"}, "Unable to parse range"),
        ({"action": "write"}, "values is missing; write needs a list of rows"),
        ({"action": "search"}, "search_query is missing"),
        ({"action": "search", "search_query": "x", "search_column": "Nobody knows"}, "neither a column's letter nor"),
        ({"action": "read", "access_token": "wrong"}, "answered 401"),
        ({"action": "read", "spreadsheet_id": ""}, "spreadsheet_id is missing"),
        ({"action": "read", "base_url": "http://169.254.169.254"}, "may not connect"),
    ],
)
def test_what_cannot_be_done_is_said(step, parameters, message):
    with pytest.raises(PermanentError, match=message):
        run(step, **parameters)


def test_a_path_in_an_id_stays_within_it(api, step):
    with pytest.raises(PermanentError, match="404"):
        run(step, "read", spreadsheet_id="../../v4/spreadsheets")
    assert api.calls[-1].path.startswith("/v4/spreadsheets/..%2F..%2Fv4%2Fspreadsheets/")


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_google_is_asked_again_when_it_says(api, step, status):
    run(step, "read")
    api.failures.append(Answer(status=status, headers={"retry-after": "7"}, body=b"busy"))
    with pytest.raises(RetryableError, match=str(status)) as told:
        run(step, "read")
    assert told.value.retry_after_seconds == 7
    credentials.TOKENS.clear()
    api.failures.append(Answer(status=status, headers={"retry-after": "8"}))
    with pytest.raises(RetryableError, match="token endpoint") as told:
        run(step, "read")
    assert told.value.retry_after_seconds == 8


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"<html>", b'{"values": 7}', b'{"values": [7]}', b"[" * 100_000],
    ids=["empty", "list", "page", "number", "numbers", "deep"],
)
def test_an_answer_that_is_not_google_s_fails_the_step_with_words(api, step, body):
    run(step, "read")
    api.failures.append(Answer(body=body))
    with pytest.raises(PermanentError, match="not Google's"):
        run(step, "read")


def test_a_silent_google_ends_with_the_step_s_time(api, step):
    with Proxy(("127.0.0.1", int(api.url.rpartition(":")[2]))) as proxy:
        run(step, "read")
        proxy.freeze()
        with pytest.raises(StepTimedOut):
            run(replace(step, timeout_seconds=0.2), "read", base_url=proxy.url)


def test_without_google_auth_the_extra_is_named(step, monkeypatch):
    credentials.TOKENS.clear()
    monkeypatch.setitem(sys.modules, "google.oauth2", None)
    with pytest.raises(PermanentError, match=r"intellyhub-functions\[google\]"):
        run(step, "read")


def test_the_example_notes_a_new_user_once(api, tmp_path):
    names = {"GOOGLE_SERVICE_ACCOUNT_KEY": api.account_key, "GOOGLE_SHEETS_BASE_URL": api.url}
    api.spreadsheets[BOOK]["Users"] = [["Name", "Email", "Date"]]
    for _ in range(2):
        run_example(Path(__file__).parent, tmp_path, names=names)
    assert [row[:2] for row in api.spreadsheets[BOOK]["Users"][1:]] == [["Ada Rossi", "ada@example.org"]]
