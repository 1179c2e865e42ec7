"""Events posted to a gateway, with the real journal service behind it, which is killed, and whose disk is full."""

import hashlib
import threading
import time

import jwt
import pytest

from intellyhub_knative.platform.keys import Purpose
from tests.integration.front import front, name_of
from tests.integration.platform_processes import await_that

TOKEN = "ihub_token-of-acme"
DOCUMENT = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data": {"a": 1}}


def digest(token=TOKEN):
    return (hashlib.sha256(token.encode()).hexdigest(),)


@pytest.fixture(scope="module")
def shared():
    with front(journal=True, INTELLYHUB_EVENTS_PER_SECOND="1000", INTELLYHUB_MAX_EVENT_BYTES="2000") as made:
        made.tenant(event_token_digests=digest())
        yield made


def post(front, document, slug="acme", token=TOKEN, kind="application/cloudevents+json"):
    return front.ask("POST", f"/events/{slug}", document, Authorization=f"Bearer {token}", Content_Type=kind)


def stored(front):
    client = front.client()
    try:
        return [(each.tenant_id, each.event.id) for each in client.unrouted(limit=10_000)]
    finally:
        client.close()


def test_an_event_is_stored_once_however_often_it_comes(shared):
    first, second = (post(shared, DOCUMENT | {"id": "once"}) for _ in range(2))
    assert (first.status, first.json) == (202, {"accepted": 1, "duplicates": 0})
    assert (second.status, second.json) == (202, {"accepted": 0, "duplicates": 1})
    assert stored(shared).count((name_of("acme"), "once")) == 1


def test_a_batch_is_taken_whole_or_not_at_all(shared):
    kind = "application/cloudevents-batch+json"
    batch = [DOCUMENT | {"id": f"b{n}"} for n in range(10)]
    refused = post(shared, [*batch, DOCUMENT | {"id": ""}], kind=kind)
    assert (refused.status, refused.json["errors"][0]["index"]) == (400, 10)
    assert not any(name.startswith("b") for _, name in stored(shared))
    taken = post(shared, [*batch, batch[0]], kind=kind)
    assert (taken.status, taken.json) == (202, {"accepted": 10, "duplicates": 1})


def test_binary_mode_is_understood(shared):
    headers = {"ce_specversion": "1.0", "ce_id": "binary", "ce_source": "/s", "ce_type": "t"}
    said = shared.ask("POST", "/events/acme", b"\x00\xff", Authorization=f"Bearer {TOKEN}", **headers)
    assert said.status == 202


def access_token(front, tenant, role="editor"):
    claims = {"sub": "u", "tenant": name_of(tenant), "role": role, "exp": time.time() + 60}
    return jwt.encode(claims, front.keys.derive(Purpose.SESSIONS), "HS256")


def test_tenants_are_apart(shared):
    shared.tenant("other", event_token_digests=digest("ihub_token-of-other"))
    before = stored(shared)
    assert post(shared, DOCUMENT | {"id": "x"}, slug="other").status == 401
    assert post(shared, DOCUMENT | {"id": "x"}, slug="other", token=access_token(shared, "acme")).status == 404
    assert post(shared, DOCUMENT | {"id": "x"}, slug="nobody", token=access_token(shared, "acme")).status == 404
    assert post(shared, DOCUMENT | {"id": "x"}, slug="nobody").status == 401
    assert post(shared, DOCUMENT | {"id": "x"}, token=access_token(shared, "acme", "viewer")).status == 403
    assert stored(shared) == before
    same = [
        post(shared, DOCUMENT | {"id": "both"}, slug=slug, token=access_token(shared, slug))
        for slug in ("acme", "other")
    ]
    assert [said.json["accepted"] for said in same] == [1, 1]


def test_only_posts_of_events_within_bounds_are_taken(shared):
    assert shared.ask("GET", "/events/acme").headers["allow"] == "POST"
    assert post(shared, DOCUMENT | {"data": "x" * 3000}).status == 413
    assert post(shared, DOCUMENT, kind="application/json").status == 400
    assert post(shared, b"\x00", kind="application/cloudevents+avro").status == 415


@pytest.mark.slow
def test_who_sends_too_much_is_told_when_to_go_on():
    with front(journal=True, INTELLYHUB_EVENTS_PER_SECOND="2") as made:
        made.tenant(event_token_digests=digest())
        made.tenant("other", event_token_digests=digest())
        answers = [post(made, DOCUMENT | {"id": str(n)}) for n in range(15)]
        refused = [said for said in answers if said.status == 429]
        assert refused
        assert int(refused[0].headers["retry-after"]) >= 1
        assert post(made, DOCUMENT, slug="other").status == 202


@pytest.mark.slow
def test_a_journal_service_that_is_restarted_costs_the_sender_a_moment():
    with front(journal=True) as made:
        made.tenant(event_token_digests=digest())
        assert post(made, DOCUMENT | {"id": "before"}).status == 202
        made.end(made.journal)
        answers = []
        asking = threading.Thread(target=lambda: answers.append(post(made, DOCUMENT | {"id": "meanwhile"})))
        asking.start()
        made.start_journal()
        asking.join(20)
        assert answers[0].status == 202
        assert [name for _, name in stored(made)] == ["before", "meanwhile"]


@pytest.mark.slow
def test_without_a_journal_service_nothing_is_acknowledged():
    with front(journal=True, INTELLYHUB_GATEWAY_JOURNAL_SECONDS="0.3") as made:
        made.tenant(event_token_digests=digest())
        made.end(made.journal)
        said = post(made, DOCUMENT)
        assert (said.status, said.json["type"]) == (503, "urn:intellyhub:problem:journal-unavailable")
        assert "retry-after" in said.headers
        made.start_journal()
        await_that(lambda: post(made, DOCUMENT).status == 202)
        assert [name for _, name in stored(made)] == ["1"]


@pytest.mark.slow
def test_a_gateway_that_is_killed_has_lost_nothing_that_it_acknowledged():
    with front(journal=True) as made:
        made.tenant(event_token_digests=digest())
        acknowledged = []

        def send():
            for n in range(300):
                try:
                    if post(made, DOCUMENT | {"id": str(n)}).status == 202:
                        acknowledged.append(str(n))
                except OSError:
                    pass  # it was killed

        sending = threading.Thread(target=send)
        sending.start()
        await_that(lambda: len(acknowledged) > 50)
        made.end(made.gateway)
        made.start_gateway()
        sending.join(30)
        names = [name for _, name in stored(made)]
        assert set(acknowledged) <= set(names)
        assert len(names) == len(set(names))
        assert len(acknowledged) > 200


@pytest.mark.slow
def test_a_full_disk_is_told_and_costs_nothing_that_was_stored():
    with front() as made:
        made.tenant(event_token_digests=digest())
        made.start_journal(file_bytes=1 << 20)
        acknowledged = []

        def fill(size):
            for n in range(400):
                said = post(made, DOCUMENT | {"id": f"{size}-{n}", "data": "x" * size})
                if said.status != 202:
                    return said
                acknowledged.append(f"{size}-{n}")
            return None

        refused = fill(20_000)
        assert refused is not None
        assert (refused.status, refused.json["type"]) == (507, "urn:intellyhub:problem:disk-full")
        assert "retry-after" in refused.headers
        made.end(made.journal)
        made.start_journal()
        assert [name for _, name in stored(made)] == acknowledged
        assert post(made, DOCUMENT).status == 202
