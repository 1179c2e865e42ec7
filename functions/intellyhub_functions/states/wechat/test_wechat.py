"""The wechat state against a double of WeChat Work."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_functions.states.wechat import tokens as cache
from intellyhub_functions.states.wechat.tokens import Token, TokenCache
from intellyhub_functions.states.wechat.wechat import perform
from intellyhub_functions.testing.examples import run_example
from intellyhub_functions.testing.server import Answer
from intellyhub_functions.testing.surroundings import Log, make_step
from intellyhub_functions.testing.wechat_api import WeChatApi

WHO = {"corp_id": "corp", "corp_secret": "s3cret", "agent_id": "1000002"}


@pytest.fixture
def api():
    with WeChatApi() as server:
        yield server


@pytest.fixture
def step(tmp_path, api):
    return make_step(tmp_path, outer={"WECHAT_BASE_URL": api.url}, log=Log())


def test_a_message_is_sent_to_all_when_nobody_is_named(api, step):
    result = perform({**WHO, "message": "hello", "message_type": "text", "safe": 0}, step)
    assert (result.success, result.errcode, result.errmsg, result.msgid) == (True, 0, "ok", "m1")
    assert isinstance(result.timestamp, int)
    assert api.sent == [
        {
            "touser": "@all",
            "toparty": "",
            "totag": "",
            "msgtype": "text",
            "agentid": 1000002,
            "text": {"content": "hello"},
            "safe": 0,
        }
    ]


def test_members_departments_and_tags_are_written_as_lists_or_with_bars(api, step):
    perform({**WHO, "message": "x", "to_user": ["a", "b"], "to_party": 2, "to_tag": "t, u", "safe": 1}, step)
    assert [api.sent[0][name] for name in ("touser", "toparty", "totag", "safe")] == ["a|b", "2", "t|u", 1]


def test_markdown_and_cards_are_sent_as_such_and_a_card_that_is_none_as_text(api, step):
    perform({**WHO, "message": "# a", "message_type": "markdown"}, step)
    card = '{"title": "t", "description": "d", "url": "https://e.org", "btntxt": "Open"}'
    perform({**WHO, "message": card, "message_type": "textcard"}, step)
    perform(
        {**WHO, "message": {"title": "t", "description": "d", "url": "https://e.org"}, "message_type": "textcard"}, step
    )
    perform({**WHO, "message": "no card", "message_type": "textcard"}, step)
    assert [message["msgtype"] for message in api.sent] == ["markdown", "textcard", "textcard", "text"]
    assert api.sent[1]["textcard"]["btntxt"] == "Open"
    assert [level for level, _ in step.log.lines] == ["warning"]


def test_one_token_serves_many_messages_and_is_renewed_when_it_is_refused(api, step):
    for _ in range(3):
        perform({**WHO, "message": "x"}, step)
    assert len(api.tokens) == 1
    api.expire()
    perform({**WHO, "message": "x"}, step)
    assert (len(api.tokens), len(api.sent)) == (2, 4)


def test_a_token_is_renewed_before_it_ends_and_asked_for_once_by_many():
    time, asked = [0.0], []

    def ask():
        asked.append(time[0])
        return Token(text=f"t{len(asked)}", lasts_seconds=7200)

    kept = TokenCache(now=lambda: time[0])
    together = threading.Barrier(8)
    found = []

    def want():
        together.wait()
        found.append(kept.get(("a",), ask))

    threads = [threading.Thread(target=want) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (found, len(asked)) == (["t1"] * 8, 1)
    time[0] = 7200 - cache.EARLY_SECONDS - 1
    assert kept.get(("a",), ask) == "t1"
    time[0] += 2
    assert kept.get(("a",), ask) == "t2"
    kept.forget(("a",), "t1")
    assert kept.get(("a",), ask) == "t2"
    assert kept.get(("b",), ask) == "t3"


def test_the_cache_of_tokens_does_not_grow_for_ever(monkeypatch):
    monkeypatch.setattr(cache, "MAX_TOKENS", 2)
    kept = TokenCache()
    for name in "abc":
        kept.get((name,), lambda: Token(text="t", lasts_seconds=7200))
    assert (len(kept._kept), len(kept._asking)) == (2, 2)


def test_who_gets_no_token_is_not_remembered():
    kept = TokenCache()
    with pytest.raises(PermanentError):
        kept.get(("a",), refuse_token)
    assert kept._asking == {}


def refuse_token():
    raise PermanentError("no such company")


@pytest.mark.parametrize(("wrong", "code"), [({"corp_id": "bad"}, 40013), ({"corp_secret": "bad-secret"}, 40001)])
def test_wrong_credentials_are_refused_without_being_shown(step, wrong, code):
    with pytest.raises(PermanentError) as failure:
        perform({**WHO, **wrong, "message": "x"}, step)
    result: Any = failure.value.result
    assert (result["success"], result["errcode"]) == (False, code)
    assert "bad-secret" not in str(failure.value)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"corp_id": "{WECHAT_CORP_ID}"}, "a variable that is not set"),
        ({"corp_secret": ""}, "corp_secret is missing"),
        ({"agent_id": "x"}, "must be a number"),
        ({"message": " "}, "message is empty"),
    ],
)
def test_what_is_missing_is_named(api, step, parameters, message):
    with pytest.raises(PermanentError, match=message):
        perform({**WHO, "message": "x", **parameters}, step)
    assert api.sent == []


@pytest.mark.parametrize("code", [-1, 45009])
def test_a_busy_service_is_put_off(api, step, code):
    api.failures.append({"errcode": code, "errmsg": "busy"})
    with pytest.raises(RetryableError, match="busy"):
        perform({**WHO, "message": "x"}, step)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(status=502, body=b"<html>"), RetryableError),
        (Answer(status=200, body=b"[" * 50_000), PermanentError),
        (Answer(status=200, body=b'{"errcode": "x"}'), PermanentError),
        (Answer(status=200, body=b'{"errcode": 0}'), RetryableError),
    ],
)
def test_an_answer_that_is_not_the_service_s_is_a_failure(api, step, answer, kind):
    api.answer = lambda call: answer
    with pytest.raises(kind):
        perform({**WHO, "corp_id": "another", "message": "x"}, step)


def test_an_unreachable_service_is_told_without_the_secret(tmp_path):
    with WeChatApi() as gone:
        url = gone.url
    with pytest.raises(RetryableError, match="WeChat Work's gettoken cannot be reached") as failure:
        perform({**WHO, "message": "x", "base_url": url}, make_step(tmp_path))
    assert "s3cret" not in str(failure.value)


def test_a_repeated_attempt_does_not_repeat_the_message(api, step):
    perform({**WHO, "message": "once"}, step)
    assert perform({**WHO, "message": "once"}, replace(step, attempt=2)).success
    assert len(api.sent) == 1


def test_whom_the_service_does_not_reach_is_a_warning(api, step):
    assert perform({**WHO, "message": "x", "to_user": "ada|nobody1"}, step).invaliduser == "nobody1"
    assert "invaliduser nobody1" in step.log.text()


def test_the_example_tells_the_company(api, tmp_path):
    names = {"WECHAT_BASE_URL": api.url, "WECHAT_CORP_ID": "c", "WECHAT_CORP_SECRET": "s", "WECHAT_AGENT_ID": "1"}
    run_example(Path(__file__).parent, tmp_path, names=names)
    assert (api.sent[0]["toparty"], api.sent[0]["textcard"]["title"]) == ("2", "Report")
