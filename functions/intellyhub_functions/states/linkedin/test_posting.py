"""The linkedin state's posts, against a double of LinkedIn's API."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

from dataclasses import replace
from typing import Any

import pytest

from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_functions.states.linkedin.linkedin import perform
from intellyhub_functions.states.linkedin.posting import escape
from intellyhub_functions.testing.linkedin_api import LinkedInApi
from intellyhub_functions.testing.server import Answer
from intellyhub_functions.testing.surroundings import Log, make_step

POST = {"action": "post", "access_token": "t0ken", "message": "hello"}


@pytest.fixture
def api():
    with LinkedInApi() as server:
        yield server


@pytest.fixture
def step(tmp_path, api):
    return make_step(tmp_path, outer={"LINKEDIN_BASE_URL": api.url}, log=Log())


def test_a_text_is_posted_in_the_name_of_who_the_token_belongs_to(api, step):
    result = perform(POST, step)
    assert (result.success, result.author) == (True, "urn:li:person:aDa_1")
    post = api.posts[result.post_id]
    assert (post["author"], post["visibility"], post["lifecycleState"]) == (result.author, "PUBLIC", "PUBLISHED")
    assert result.url == f"https://www.linkedin.com/feed/update/{result.post_id}/"
    assert api.calls[-1].headers["linkedin-version"] == "202605"


def test_marks_are_escaped_so_that_nothing_is_cut_off_and_hashtags_stay(api, step):
    text = r"a (b) [c] {d} <e> @f *g* _h_ ~i~ | j\k # l #m https://e.org/a_b"
    number = perform({**POST, "message": text}, step).post_id
    assert api.posts[number]["shown"] == text
    assert "#m" in escape(text)
    assert r"\# l" in escape(text)


def test_a_link_is_shown_with_a_title(api, step):
    number = perform({**POST, "author": "organization:7", "link": "https://e.org"}, step).post_id
    assert api.posts[number]["content"] == {"article": {"source": "https://e.org", "title": "https://e.org"}}
    assert api.posts[number]["author"] == "urn:li:organization:7"


def test_images_are_uploaded_and_shown(api, step, tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.png").write_bytes(b"\x89PNG\r\n" + name.encode())
    one = perform({**POST, "image": "a.png", "alt_text": "an a"}, step).post_id
    two = perform({**POST, "message": "two", "image": ["a.png", "b.png"]}, step).post_id
    shown = api.posts[one]["content"]["media"]
    assert (api.images[shown["id"]], shown["altText"]) == (b"\x89PNG\r\na", "an a")
    images = api.posts[two]["content"]["multiImage"]["images"]
    assert [api.images[image["id"]][-1:] for image in images] == [b"a", b"b"]


def test_the_token_goes_to_no_other_host(api, step, tmp_path):
    (tmp_path / "a.png").write_bytes(b"x")
    with LinkedInApi(host="127.0.0.2") as other:
        elsewhere = {"value": {"uploadUrl": f"{other.url}/upload/x", "image": "urn:li:image:1"}}
        api.failures.append(Answer.of_json(elsewhere))
        with pytest.raises(PermanentError):
            perform({**POST, "author": "person:1", "image": "a.png"}, step)
        assert "authorization" not in other.calls[0].headers


def test_a_repeated_attempt_takes_a_duplicate_for_the_post_made_before(api, step):
    made = perform(POST, step).post_id
    with pytest.raises(PermanentError, match="Duplicate post"):
        perform(POST, step)
    assert perform(POST, replace(step, attempt=2)).post_id == made


def test_a_post_is_commented_and_deleted(api, step):
    number = perform(POST, step).post_id
    told = perform({"action": "comment", "access_token": "t", "post_id": number, "message": "yes"}, step)
    assert api.comments[told.comment_id]["message"] == {"text": "yes"}
    for _ in range(2):
        assert perform({"action": "delete", "access_token": "t", "post_id": number}, step).success
    assert api.posts == {}


def test_who_the_token_belongs_to_is_told(step):
    told = perform({"action": "profile", "access_token": "t"}, step)
    assert (told.author, told.name, told.picture) == ("urn:li:person:aDa_1", "Ada Rossi", None)


def test_a_wrong_token_is_refused_without_being_shown(step):
    with pytest.raises(PermanentError, match="the access token is wrong or has ended") as failure:
        perform({**POST, "access_token": "bad-t0ken"}, step)
    assert "bad-t0ken" not in str(failure.value)
    result: Any = failure.value.result
    assert (result["success"], result["status_code"]) == (False, 401)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"access_token": ""}, "access_token is missing"),
        ({"access_token": "{LINKEDIN_ACCESS_TOKEN}"}, "a variable that is not set"),
        ({"message": ""}, "nothing to publish"),
        ({"message": "x" * 3001}, "3001 characters"),
        ({"author": "me"}, "author is"),
        ({"image": "none.png"}, "no file of the workspace"),
        ({"image": ["a"] * 21}, "at most 20"),
        ({"api_version": "v2"}, "a year and month"),
        ({"action": "delete", "post_id": "../x"}, "no urn"),
        ({"action": "comment", "post_id": "urn:li:share:1", "message": ""}, "a comment needs one"),
    ],
)
def test_what_is_missing_is_named(api, step, parameters, message):
    with pytest.raises(PermanentError, match=message):
        perform({**POST, **parameters}, step)
    assert api.calls == []


def test_an_old_version_says_what_to_do(step):
    with pytest.raises(PermanentError, match="name a newer api_version"):
        perform({**POST, "author": "person:1", "api_version": "202401"}, step)


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [(Answer(status=429, headers={"Retry-After": "60"}), 60.0), (Answer(status=502, body=b"<html>"), None)],
)
def test_a_limit_and_a_fault_of_the_service_are_put_off(api, step, answer, seconds):
    api.failures.append(answer)
    with pytest.raises(RetryableError) as failure:
        perform({**POST, "author": "person:1"}, step)
    assert failure.value.retry_after_seconds == seconds


@pytest.mark.parametrize("body", [b"", b"[]", b"[" * 50_000, b'{"sub": "../x"}'])
def test_an_answer_that_is_not_linkedin_s_is_a_failure(api, step, body):
    api.failures.append(Answer(body=body))
    with pytest.raises(PermanentError):
        perform(POST, step)
