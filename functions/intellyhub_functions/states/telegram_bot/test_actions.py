"""What a bot does beside sending texts: files, keyboards, edits, answers."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import os
from typing import Any

import pytest

from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_engine.machine.step import Outcome
from intellyhub_functions.states.telegram_bot.keyboards import make_markup
from intellyhub_functions.states.telegram_bot.telegram_bot import perform
from intellyhub_functions.telegram import files
from intellyhub_functions.testing.surroundings import Log, make_step
from intellyhub_functions.testing.telegram_api import TelegramApi

KINDS = ["photo", "document", "audio", "voice", "video"]


@pytest.fixture
def api():
    with TelegramApi() as server:
        yield server


@pytest.fixture
def step(tmp_path, api):
    return make_step(tmp_path, outer={"TELEGRAM_API_URL": api.url, "TELEGRAM_BOT_TOKEN": api.token}, log=Log())


def pressed(tmp_path, api, **names):
    names = {"telegram_callback_query_id": "q1001", "telegram_chat_id": "7", "telegram_message_id": "1"} | names
    return make_step(tmp_path, names, outer={"TELEGRAM_API_URL": api.url, "TELEGRAM_BOT_TOKEN": api.token}, log=Log())


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_the_workspace_arrives_byte_for_byte(api, step, tmp_path, kind):
    content = os.urandom(50_000) + b"\r\n--\r\n\r\x00\n"
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "è name.bin").write_bytes(content)
    result = perform({"chat_id": 7, kind: "out/è name.bin", "message": "<b>this</b>"}, step)
    assert api.files[result.file_id] == content
    (message,) = api.sent
    assert (message["caption"], message["parse_mode"]) == ("<b>this</b>", "HTML")
    assert kind == "photo" or message[kind]["file_name"] == "è name.bin"


def test_what_was_sent_once_is_sent_again_by_its_file_id_and_an_address_is_left_to_telegram(api, step, tmp_path):
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    first = perform({"chat_id": 7, "document": "a.pdf"}, step)
    again = perform({"chat_id": 7, "document": first.file_id}, step)
    perform({"chat_id": 7, "photo": "https://example.org/p.png"}, step)
    assert (again.file_id, again.message_id) == (first.file_id, 2)
    assert "multipart" not in api.calls[1].headers["content-type"]
    assert api.calls[2].json()["photo"] == "https://example.org/p.png"


def test_bytes_of_a_variable_are_sent_under_a_name(api, step):
    result = perform({"chat_id": 7, "document": b"a,b\n", "file_name": "report.csv"}, step)
    assert api.files[result.file_id] == b"a,b\n"
    assert b'filename="report.csv"' in api.calls[0].body
    assert b"text/csv" in api.calls[0].body


def test_several_photos_are_one_album(api, step, tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.png").write_bytes(name.encode())
    result = perform({"chat_id": 7, "photo": ["a.png", "b.png"], "message": "both"}, step)
    assert result.message_ids == [1, 2]
    assert [message.get("caption") for message in api.sent] == ["both", None]
    assert [api.files[message["photo"]["file_id"]] for message in api.sent] == [b"a", b"b"]


def test_a_text_too_long_for_a_caption_follows_its_file(api, step, tmp_path):
    (tmp_path / "a.png").write_bytes(b"png")
    result = perform({"chat_id": 7, "photo": "a.png", "message": "x" * 1025, "inline_keyboard": ["ok"]}, step)
    assert result.message_ids == [1, 2]
    assert "caption" not in api.sent[0]
    assert api.sent[1]["text"] == "x" * 1025
    assert [("reply_markup" in message) for message in api.sent] == [False, True]


def test_a_caption_that_telegram_cannot_read_is_sent_plain(api, step, tmp_path):
    (tmp_path / "a.png").write_bytes(b"png")
    perform({"chat_id": 7, "photo": ["a.png", "a.png"], "message": "a <b"}, step)
    perform({"chat_id": 7, "photo": "a.png", "message": "<b>a"}, step)
    assert [message.get("caption") for message in api.sent] == ["a <b", None, "<b>a"]
    assert [level for level, _ in step.log.lines] == ["warning"] * (len(step.log.lines))


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("../outside.png", "outside the workspace"),
        ("nothing.png", "neither a file of the workspace nor an address nor a file_id"),
        ("empty.png", "is empty"),
        ("big.png", "larger than 0 MB"),
        (".", "neither a file"),
    ],
)
def test_a_file_that_cannot_be_sent_is_refused_before_anything_is(api, step, tmp_path, monkeypatch, written, message):
    monkeypatch.setattr(files, "MAX_PHOTO_BYTES", 10)
    (tmp_path / "empty.png").touch()
    (tmp_path / "big.png").write_bytes(b"x" * 11)
    with pytest.raises(PermanentError, match=message):
        perform({"chat_id": 7, "photo": written}, step)
    assert api.calls == []


def test_two_kinds_of_files_are_one_too_many(step):
    with pytest.raises(PermanentError, match="photo and video are given"):
        perform({"chat_id": 7, "photo": "a", "video": "b"}, step)


def test_a_keyboard_is_written_in_short_and_in_full():
    written = [
        ["Yes", {"No": "no"}],
        [{"Site": "https://example.org"}, {"text": "App", "web_app": {"url": "https://e"}}],
    ]
    markup: Any = make_markup({"inline_keyboard": written})
    assert markup["inline_keyboard"] == [
        [{"text": "Yes", "callback_data": "Yes"}, {"text": "No", "callback_data": "no"}],
        [{"text": "Site", "url": "https://example.org"}, {"text": "App", "web_app": {"url": "https://e"}}],
    ]
    markup = make_markup({"inline_keyboard": {"Yes": 1, "No": 0}})
    assert markup["inline_keyboard"] == [
        [{"text": "Yes", "callback_data": "1"}],
        [{"text": "No", "callback_data": "0"}],
    ]
    assert make_markup({"keyboard": ["a", ["b", {"text": "where", "request_location": True}]]}) == {
        "keyboard": [[{"text": "a"}], [{"text": "b"}, {"text": "where", "request_location": True}]],
        "resize_keyboard": True,
        "one_time_keyboard": False,
    }
    assert make_markup({"remove_keyboard": True}) == {"remove_keyboard": True}
    assert make_markup({"reply_markup": {"force_reply": True}}) == {"force_reply": True}


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"inline_keyboard": ["x" * 65]}, "65 bytes"),
        ({"inline_keyboard": [{"a": 1, "b": 2}]}, "needs its text"),
        ({"inline_keyboard": [" "]}, "no text"),
        ({"inline_keyboard": ["a"], "keyboard": ["b"]}, "one keyboard"),
        ({"keyboard": [["a"] * 301]}, "at most 300"),
        ({"reply_markup": "x"}, "mapping"),
    ],
)
def test_a_keyboard_that_telegram_would_refuse_says_why(parameters, message):
    with pytest.raises(PermanentError, match=message):
        make_markup(parameters)


def test_a_message_is_edited_and_one_that_is_so_already_is_left(api, step, tmp_path):
    sent = perform({"chat_id": 7, "message": "one", "inline_keyboard": ["a"]}, step)
    edit = {"action": "edit", "chat_id": 7, "message_id": sent.message_id}
    for _ in range(2):
        assert perform({**edit, "message": "<i>two</i>", "inline_keyboard": ["b"]}, step).success
    assert (api.sent[0]["text"], api.sent[0]["reply_markup"]["inline_keyboard"][0][0]["text"]) == ("<i>two</i>", "b")
    perform({**edit, "inline_keyboard": ["c"]}, step)
    assert api.sent[0]["reply_markup"]["inline_keyboard"][0][0]["text"] == "c"
    (tmp_path / "a.png").write_bytes(b"png")
    perform({**edit, "photo": "a.png", "message": "pictured"}, step)
    assert api.files[api.sent[0]["photo"]["file_id"]] == b"png"
    perform({**edit, "caption": "captioned"}, step)
    assert api.sent[0]["caption"] == "captioned"
    with pytest.raises(PermanentError, match="nothing to edit"):
        perform(edit, step)
    with pytest.raises(PermanentError, match="message to edit not found"):
        perform({**edit, "message_id": 99, "message": "x"}, step)


def test_the_message_whose_button_was_pressed_is_edited_by_default(api, step, tmp_path):
    perform({"chat_id": 7, "message": "sure?", "inline_keyboard": ["yes"]}, step)
    assert perform({"action": "edit", "message": "sure."}, pressed(tmp_path, api)).message_id == 1
    assert api.sent[0]["text"] == "sure."
    with pytest.raises(PermanentError, match="message_id is missing"):
        perform({"action": "edit", "chat_id": 7, "message": "x"}, step)


def test_a_message_is_deleted_and_one_that_is_gone_is_a_soft_fault(api, step):
    sent = perform({"chat_id": 7, "message": "one"}, step)
    gone = {"action": "delete", "chat_id": "7", "message_id": sent.message_id}
    assert perform(gone, step).success
    assert api.sent == []
    outcome: Any = perform(gone, step)
    assert type(outcome) is Outcome
    assert "message to delete not found" in str(outcome.fault)
    assert outcome.value["success"] is False


def test_a_pressed_button_is_answered_once_and_a_late_answer_is_a_soft_fault(api, tmp_path):
    result = perform({"action": "answer_callback", "message": "y" * 250, "show_alert": True}, pressed(tmp_path, api))
    assert result.success
    assert api.answered == [{"callback_query_id": "q1001", "text": "y" * 200, "show_alert": True}]
    late: Any = perform({"action": "answer_callback"}, pressed(tmp_path, api, telegram_callback_query_id="old"))
    assert "query is too old" in late.fault


def test_a_button_cannot_be_answered_where_none_was_pressed(step):
    with pytest.raises(PermanentError, match="was not started by a button"):
        perform({"action": "answer_callback"}, step)


def test_the_bot_shows_that_it_is_at_work(api, step):
    perform({"action": "chat_action", "chat_id": 7}, step)
    perform({"action": "chat_action", "chat_id": 7, "chat_action": "upload_photo"}, step)
    assert [shown["action"] for shown in api.actions] == ["typing", "upload_photo"]


def test_an_upload_to_a_busy_server_is_put_off_without_the_token(api, step, tmp_path):
    (tmp_path / "a.png").write_bytes(b"png")
    api.failures.append({"error_code": 502, "description": "Bad Gateway"})
    with pytest.raises(RetryableError, match="puts sendPhoto off") as failure:
        perform({"chat_id": 7, "photo": "a.png"}, step)
    assert api.token not in str(failure.value)


def test_a_file_of_the_message_received_is_saved_in_the_workspace(api, tmp_path):
    api.files["f1"] = b"content"
    names = {"TELEGRAM_API_URL": api.url, "TELEGRAM_BOT_TOKEN": api.token}
    step = make_step(tmp_path, {"telegram_file_id": "f1"}, outer=names)
    assert perform({"action": "download"}, step).file_path == "workspace/f1"
    result = perform({"action": "download", "path": "in/report.pdf"}, step)
    assert (result.file_path, result.file_size) == ("in/report.pdf", 7)
    assert (tmp_path / "in" / "report.pdf").read_bytes() == b"content"
    for parameters, message in (({"path": "../x"}, "outside"), ({"file_id": "gone"}, "Not Found")):
        with pytest.raises(PermanentError, match=message):
            perform({"action": "download", **parameters}, step)
