"""The facebook state against a double of the Graph API."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_functions.states.facebook.facebook import perform
from intellyhub_functions.states.facebook.schedule import read_time
from intellyhub_functions.testing.examples import run_example
from intellyhub_functions.testing.facebook_api import GraphApi
from intellyhub_functions.testing.server import Answer
from intellyhub_functions.testing.surroundings import Log, make_step

WHO = {"access_token": "t0ken", "page_id": "99"}


@pytest.fixture
def api():
    with GraphApi() as server:
        yield server


@pytest.fixture
def step(tmp_path, api):
    return make_step(tmp_path, outer={"FACEBOOK_BASE_URL": api.url}, log=Log())


def test_a_text_with_a_link_is_published(api, step):
    result = perform({**WHO, "message": "hello è", "link": "https://example.org"}, step)
    assert (result.success, result.post_id, result.scheduled) == (True, "99_1", False)
    assert (api.posts[0]["message"], api.posts[0]["link"]) == ("hello è", "https://example.org")
    assert api.calls[0].path == "/v23.0/99/feed"


def test_token_page_and_version_come_from_the_environment_when_left_out(api, tmp_path):
    names = {"FACEBOOK_ACCESS_TOKEN": "t", "FACEBOOK_PAGE_ID": "5", "FACEBOOK_API_VERSION": "v25.0"}
    perform({"message": "x"}, make_step(tmp_path, outer={**names, "FACEBOOK_BASE_URL": api.url}))
    assert api.calls[0].path == "/v25.0/5/feed"


def test_a_post_is_scheduled(api, step):
    later = int(time.time()) + 3600
    result = perform({**WHO, "message": "x", "scheduled_publish_time": str(later)}, step)
    assert result.scheduled
    assert (api.posts[0]["scheduled_publish_time"], api.posts[0]["published"]) == (str(later), "false")
    assert perform({**WHO, "action": "scheduled_posts"}, step).count == 1
    assert perform({**WHO, "action": "posts"}, step).count == 0
    with pytest.raises(PermanentError, match="scheduled publish time is invalid"):
        perform({**WHO, "message": "x", "scheduled_publish_time": 1}, step)


@pytest.mark.parametrize(
    ("written", "zone", "moment"),
    [
        ("2030-01-31T09:30:00Z", None, datetime(2030, 1, 31, 9, 30, tzinfo=UTC)),
        ("2030-01-31T09:30:00+01:00", "Asia/Tokyo", datetime(2030, 1, 31, 8, 30, tzinfo=UTC)),
        ("2030-01-31T09:30:00", "Europe/Rome", datetime(2030, 1, 31, 8, 30, tzinfo=UTC)),
        ("2030-07-31 09:30:00", "Europe/Rome", datetime(2030, 7, 31, 7, 30, tzinfo=UTC)),
        ("31/01/2030 09:30", "UTC", datetime(2030, 1, 31, 9, 30, tzinfo=UTC)),
        ("1896081000", None, datetime.fromtimestamp(1896081000, UTC)),
        (1896081000.7, None, datetime.fromtimestamp(1896081000, UTC)),
    ],
)
def test_a_time_is_read_in_every_form_that_published_flows_write(written, zone, moment):
    assert read_time(written, zone) == moment.timestamp()


def test_a_time_without_a_zone_is_the_machine_s():
    assert read_time("2030-01-31 09:30:00") == datetime(2030, 1, 31, 9, 30).astimezone().timestamp()


@pytest.mark.parametrize(("written", "zone"), [("tomorrow", None), ("2030-13-01", None), ("2030-01-01", "Rome/Europe")])
def test_a_time_that_is_none_says_how_to_write_one(written, zone):
    with pytest.raises(PermanentError, match=r"such as|write it as"):
        read_time(written, zone)


def test_a_photo_is_uploaded_byte_for_byte_or_left_to_facebook(api, step, tmp_path):
    (tmp_path / "p.jpg").write_bytes(b"\xff\xd8\r\n\x00photo")
    uploaded = perform({**WHO, "photo": "p.jpg", "message": "look"}, step)
    assert api.objects[uploaded.photo_ids[0]]["content"] == b"\xff\xd8\r\n\x00photo"
    assert (api.posts[0]["message"], uploaded.post_id) == ("look", api.posts[0]["id"])
    perform({**WHO, "photo": "https://example.org/p.jpg"}, step)
    assert api.objects[api.posts[1]["photos"][0]]["content"] == b"https://example.org/p.jpg"


def test_several_photos_are_one_post_which_can_be_scheduled(api, step, tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.png").write_bytes(name.encode())
    later = int(time.time()) + 3600
    result = perform({**WHO, "photo": ["a.png", "b.png"], "message": "x", "scheduled_publish_time": later}, step)
    (post,) = api.posts
    assert [api.objects[number]["content"] for number in post["photos"]] == [b"a", b"b"]
    assert result.photo_ids == post["photos"]
    assert b'name="temporary"' in api.calls[0].body


@pytest.mark.parametrize("photo", ["none.jpg", "../p.jpg", ["a"] * 11])
def test_a_photo_that_cannot_be_sent_is_refused_before_anything_is(api, step, photo):
    with pytest.raises(PermanentError):
        perform({**WHO, "photo": photo}, step)
    assert api.calls == []


def test_comments_are_written_answered_and_read_page_by_page(api, step, monkeypatch):
    monkeypatch.setattr("intellyhub_functions.states.facebook.facebook.PAGE_ENTRIES", 2)
    post = perform({**WHO, "message": "x"}, step).post_id
    first = perform({**WHO, "action": "comment", "post_id": post, "message": "one"}, step)
    perform({**WHO, "action": "comment", "comment_id": first.comment_id, "message": "answer"}, step)
    for number in range(4):
        perform({**WHO, "action": "comment", "post_id": post, "message": str(number)}, step)
    found = perform({**WHO, "action": "comments", "post_id": post}, step)
    assert [entry["message"] for entry in found.comments] == ["one", "0", "1", "2", "3"]
    assert perform({**WHO, "action": "comments", "post_id": post, "limit": 3}, step).count == 3
    answers = perform({**WHO, "action": "comments", "comment_id": first.comment_id}, step)
    assert [entry["message"] for entry in answers.comments] == ["answer"]


def test_insights_tell_the_latest_values(api, step):
    wanted = {"action": "insights", "metric": "page_post_engagements, post_impressions", "period": "day"}
    result = perform({**WHO, **wanted}, step)
    assert result["values"] == {"page_post_engagements": 12, "post_impressions": 340}
    assert result.data[0]["name"] == "page_post_engagements"
    with pytest.raises(PermanentError, match="metric is missing"):
        perform({**WHO, "action": "insights"}, step)
    with pytest.raises(PermanentError, match="valid insights metric"):
        perform({**WHO, "action": "insights", "metric": "nothing"}, step)


def test_a_post_is_changed_and_deleted(api, step):
    post = perform({**WHO, "message": "x"}, step).post_id
    perform({**WHO, "action": "edit", "post_id": post, "message": "y"}, step)
    assert api.posts[0]["message"] == "y"
    perform({**WHO, "action": "delete", "post_id": post}, step)
    assert api.posts == []
    with pytest.raises(PermanentError, match="does not exist"):
        perform({**WHO, "action": "delete", "post_id": post}, step)


def test_calls_are_proved_with_the_app_s_secret(tmp_path):
    with GraphApi(app_secret="s3cret") as api:
        step = make_step(tmp_path, outer={"FACEBOOK_BASE_URL": api.url})
        assert perform({**WHO, "message": "x", "app_secret": "s3cret"}, step).success
        with pytest.raises(PermanentError, match="appsecret_proof"):
            perform({**WHO, "message": "x"}, step)
        assert b"s3cret" not in b"".join(call.body for call in api.calls)


def test_a_wrong_token_is_refused_without_being_shown(step):
    with pytest.raises(PermanentError, match="the access token is wrong or has ended") as failure:
        perform({**WHO, "access_token": "bad-t0ken", "message": "x"}, step)
    assert "bad-t0ken" not in f"{failure.value!r}"
    result: Any = failure.value.result
    assert (result["success"], result["status_code"], result["code"], result["error"]) == (
        False,
        401,
        190,
        str(failure.value),
    )


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"access_token": ""}, "access_token is missing"),
        ({"access_token": "{facebook_token}"}, "a variable that is not set"),
        ({"page_id": "{page_id}"}, "a variable that is not set"),
        ({"page_id": "../me"}, "which is no id"),
        ({"page_id": ""}, "page_id is missing"),
        ({"message": ""}, "nothing to publish"),
        ({"api_version": "../v1"}, "must be one such as"),
        ({"action": "comment"}, "comment_id or post_id is missing"),
        ({"action": "edit", "post_id": "1", "message": ""}, "nothing to change"),
    ],
)
def test_what_is_missing_is_named(api, step, parameters, message):
    with pytest.raises(PermanentError, match=message):
        perform({**WHO, "message": "x", **parameters}, step)
    assert api.calls == []


@pytest.mark.parametrize(
    ("status", "headers", "error", "seconds"),
    [
        (400, {}, {"code": 32, "message": "Page request limit reached"}, None),
        (500, {}, {"code": 1, "message": "An unknown error", "is_transient": True}, None),
        (
            403,
            {"X-Business-Use-Case-Usage": '{"99": [{"type": "pages", "estimated_time_to_regain_access": 3}]}'},
            {"code": 80001, "message": "There have been too many calls"},
            180.0,
        ),
        (429, {"Retry-After": "7", "X-Business-Use-Case-Usage": "[nonsense"}, {"code": 4, "message": "limit"}, 7.0),
        (429, {"X-Business-Use-Case-Usage": '{"99": [{"estimated_time_to_regain_access": "x"}]}'}, {"code": 4}, None),
    ],
)
def test_a_page_that_is_called_too_often_is_put_off_as_long_as_facebook_says(
    api, step, status, headers, error, seconds
):
    api.failures.append((status, headers, error))
    with pytest.raises(RetryableError, match="Facebook puts off") as failure:
        perform({**WHO, "message": "x"}, step)
    assert failure.value.retry_after_seconds == seconds


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(status=502, body=b"<html>"), RetryableError),
        (Answer(status=200, body=b"{}"), PermanentError),
        (Answer(status=200, body=b"[]"), PermanentError),
        (Answer(status=400, body=b'{"error": "x"}'), PermanentError),
        (Answer(status=200, body=b"[" * 50_000), PermanentError),
    ],
)
def test_an_answer_that_is_not_the_graph_api_s_is_a_failure(api, step, answer, kind):
    api.answer = lambda call: answer
    with pytest.raises(kind):
        perform({**WHO, "message": "x"}, step)


def test_pages_of_comments_that_never_end_are_left(api, step):
    again = b'{"data": [{"id": "1"}], "paging": {"cursors": {"after": "x"}, "next": "n"}}'
    api.answer = lambda call: Answer(body=again)
    assert perform({**WHO, "action": "comments", "post_id": "1"}, step).count == 2


def test_the_example_publishes_comments_and_looks(api, tmp_path):
    names = {"FACEBOOK_BASE_URL": api.url, "FACEBOOK_ACCESS_TOKEN": "t", "FACEBOOK_PAGE_ID": "99"}
    result = run_example(Path(__file__).parent, tmp_path, names=names)
    assert result.variables["answers"]["count"] == 1
