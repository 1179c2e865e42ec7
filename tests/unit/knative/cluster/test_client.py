"""The conversation with the API: who we are, pages, watches, what it refuses, what passes."""

import asyncio
import json
import logging
from contextlib import suppress

import aiohttp.web
import pytest
import yaml
from kmock import KubernetesError
from kubernetes.aio.client import Configuration

from intellyhub_engine.errors import InputInvalid
from intellyhub_knative.cluster import connection as connections
from intellyhub_knative.cluster.client import ClusterClient
from intellyhub_knative.cluster.connection import Connection, load_configuration
from intellyhub_knative.cluster.errors import (
    Conflict,
    Expired,
    Forbidden,
    Immutable,
    Invalid,
    NotThere,
    Overloaded,
    Unreachable,
    make_refusal,
)
from intellyhub_knative.cluster.kinds import KINDS, NAMESPACE, SECRET, SERVICE, kind_of
from intellyhub_knative.cluster.verbs import USED
from tests.unit.knative.cluster.api_server import ApiServer, Key, running


def drive(story, **options):
    async def tell():
        api = ApiServer(**options)
        api.store(Key("", "namespaces", None, "ns"), {"metadata": {"name": "ns", "labels": {"a": "b"}}})
        async with running(api) as address:

            async def load():
                return Configuration(host=address)

            client = ClusterClient(Connection(load))
            try:
                async with asyncio.timeout(20):
                    await story(api, client, address)
            finally:
                await client.close()

    asyncio.run(tell())


def secret(name, **data):
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "ns"}, "data": data}


def test_lists_are_read_page_by_page_and_know_their_kind():
    async def story(api, client, _):
        for number in range(7):
            api.store(Key("", "secrets", "ns", f"s{number}"), secret(f"s{number}"))
        listing = await client.list(SECRET, "ns")
        assert [item["metadata"]["name"] for item in listing.items] == [f"s{number}" for number in range(7)]
        assert {(item["apiVersion"], item["kind"]) for item in listing.items} == {("v1", "Secret")}
        assert sum(verb == "list" for verb, *_ in api.asked) == 3

    drive(story, page=3)


def test_a_list_that_expired_between_two_pages_begins_anew():
    async def story(api, client, _):
        for number in range(5):
            api.store(Key("", "secrets", "ns", f"s{number}"), secret(f"s{number}"))
        api.answers.append(("secrets", KubernetesError(status=410, reason="Expired", message="too old")))
        assert len((await client.list(SECRET, "ns")).items) == 5

    drive(story, page=3)


def test_a_kind_that_the_cluster_does_not_know_has_no_objects():
    async def story(api, client, _):
        api.answers.append(("services", KubernetesError(status=404, reason="NotFound", message="404 page not found")))
        assert (await client.list(SERVICE)).items == []

    drive(story)


def test_an_object_is_deleted_only_if_it_is_the_one_that_was_meant():
    async def story(api, client, _):
        key = Key("", "secrets", "ns", "s")
        api.store(key, secret("s"))
        assert await client.delete(SECRET, "s", "ns", uid="another") is False
        assert key in api.objects
        assert await client.delete(SECRET, "s", "ns", uid=api.objects[key]["metadata"]["uid"]) is True
        assert await client.delete(SECRET, "s", "ns") is False

    drive(story)


def test_a_watch_tells_what_changes_and_what_is_too_old():
    async def story(api, client, _):
        since = (await client.list(NAMESPACE, labels="a=b")).version
        seen, both = [], asyncio.Event()

        async def follow():
            async for change in client.watch(NAMESPACE, labels="a=b", since=since):
                seen.append((change.type, change.object["metadata"]["name"]))
                if len(seen) == 2:
                    both.set()

        following = asyncio.create_task(follow())
        key = Key("", "namespaces", None, "other")
        api.store(key, {"metadata": {"name": "other", "labels": {"a": "b"}}})
        api.store(Key("", "namespaces", None, "stranger"), {"metadata": {"name": "stranger"}})
        api.remove(key)
        await both.wait()
        assert seen == [("ADDED", "other"), ("DELETED", "other")]
        api.cut()
        with pytest.raises(Unreachable):
            await following
        api.away, api.remembered = False, 1000
        with pytest.raises(Expired):
            async for _ in client.watch(NAMESPACE, labels="a=b", since="1"):
                pass

    drive(story)


def test_what_passes_is_tried_again_and_what_does_not_is_not():
    async def story(api, client, _):
        busy = KubernetesError(status=503, reason="ServiceUnavailable", message="wait")
        api.answers += [("secrets", busy)] * 2
        assert await client.get(SECRET, "s", "ns") is None
        api.answers += [("secrets", KubernetesError(status=403, reason="Forbidden", message="no"))] * 2
        with pytest.raises(Forbidden):
            await client.get(SECRET, "s", "ns")
        assert len(api.answers) == 1

    drive(story)


def test_an_api_that_is_away_is_said_to_be():
    async def story(api, client, _):
        api.away = True
        with pytest.raises(Unreachable, match="does not answer"):
            await client.get(SECRET, "s", "ns")

    drive(story)


def test_a_token_that_was_renewed_meanwhile_is_read_again():
    async def story(api, client, address):
        tokens = iter(["old", "new"])

        async def load():
            made = Configuration(host=address)
            made.api_key["BearerToken"] = f"Bearer {next(tokens)}"
            return made

        api.tokens = {"old"}
        client = ClusterClient(Connection(load))
        assert await client.get(NAMESPACE, "ns") is not None
        api.tokens = {"new"}
        assert await client.get(NAMESPACE, "ns") is not None
        api.tokens = set()
        with pytest.raises((Forbidden, RuntimeError, StopIteration)):
            await client.get(NAMESPACE, "ns")
        await client.close()

    drive(story)


def serve(handler, story):
    async def tell():
        application = aiohttp.web.Application()
        application.router.add_route("*", "/{path:.*}", handler)
        runner = aiohttp.web.AppRunner(application, shutdown_timeout=0.1)
        await runner.setup()
        site = aiohttp.web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        [(host, port)] = [address[:2] for address in runner.addresses]

        async def load():
            return Configuration(host=f"http://{host}:{port}")

        connection = Connection(load)
        try:
            async with asyncio.timeout(20):
                await story(connection)
        finally:
            await connection.close()
            await runner.cleanup()

    asyncio.run(tell())


@pytest.mark.parametrize("body", [b"<html>captive portal</html>", b"", b"[1]", b"null"])
def test_whoever_answers_in_place_of_the_api_is_not_believed(body):
    async def answer(_):
        return aiohttp.web.Response(body=body)

    async def story(connection):
        with pytest.raises(Unreachable, match="in place of"):
            await connection.ask("GET", "/api/v1/pods")

    serve(answer, story)


def test_an_answer_without_end_is_cut_off(monkeypatch):
    monkeypatch.setattr(connections, "MAX_ANSWER_BYTES", 1 << 16)
    monkeypatch.setattr(connections, "MAX_LINE_BYTES", 1 << 16)

    async def answer(request):
        response = aiohttp.web.StreamResponse()
        await response.prepare(request)
        with suppress(ConnectionError):
            while True:
                await response.write(b"x" * 4096)
        return response

    async def story(connection):
        with pytest.raises(Unreachable, match="more than"):
            await connection.ask("GET", "/api/v1/pods")
        with pytest.raises(Unreachable, match="more than"):
            async for _ in connection.follow("/api/v1/pods", query=(), silence_seconds=5):
                pass

    serve(answer, story)


def test_a_silence_is_not_waited_for_without_end():
    async def answer(request):
        response = aiohttp.web.StreamResponse()
        await response.prepare(request)
        await asyncio.sleep(30)

    async def story(connection):
        with pytest.raises(Unreachable):
            await connection.ask("GET", "/api/v1/pods", timeout_seconds=0.1)
        with pytest.raises(Unreachable):
            async for _ in connection.follow("/api/v1/pods", query=(), silence_seconds=0.1):
                pass

    serve(answer, story)


def test_warnings_of_the_api_are_logged_once_each(caplog):
    async def answer(_):
        return aiohttp.web.json_response({}, headers={"Warning": '299 - "insecure default"'})

    async def story(connection):
        for _ in range(3):
            await connection.ask("GET", "/api/v1/pods")

    with caplog.at_level(logging.WARNING):
        serve(answer, story)
    assert caplog.text.count("insecure default") == 1


def test_how_long_to_wait_is_taken_from_the_answer():
    async def answer(_):
        status = {"kind": "Status", "reason": "TooManyRequests", "message": "slow down"}
        return aiohttp.web.json_response(status, status=429, headers={"Retry-After": "3"})

    async def story(connection):
        with pytest.raises(Overloaded, match="slow down") as fault:
            await connection.ask("GET", "/api/v1/pods")
        assert fault.value.retry_after_seconds == 3.0

    serve(answer, story)


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (404, 'services "x" not found', NotThere),
        (409, "Apply failed with 1 conflict", Conflict),
        (401, "Unauthorized", Forbidden),
        (403, "is forbidden", Forbidden),
        (410, "too old resource version", Expired),
        (422, "is invalid", Invalid),
        (400, "validation failed: must not set the field(s): spec.template", Invalid),
        (400, "validation failed: Immutable fields changed (-old +new): spec", Immutable),
        (422, "spec.selector: Invalid value: field is immutable", Immutable),
        (429, "too many requests", Overloaded),
        (500, "etcdserver: request timed out", Overloaded),
        (503, "", Overloaded),
        (500, "failed to create typed patch object (): .spec.bogus: field not declared in schema", Invalid),
    ],
)
def test_every_answer_has_its_meaning(status, message, kind):
    fault = make_refusal(status, "", message)
    assert type(fault) is kind
    assert fault.passing is (kind is Overloaded)


def test_everything_that_is_applied_has_a_kind_and_a_right():
    rights = {(group, resource) for group, resource, verb in USED if verb == "patch"}
    assert {(kind.group, kind.plural) for kind in KINDS} == rights
    with pytest.raises(ValueError, match="no kind"):
        kind_of({"apiVersion": "v1", "kind": "PersistentVolume"})


def test_names_cannot_leave_their_path():
    assert SECRET.path("a/../b", "../x?y") == "/api/v1/namespaces/a%2F..%2Fb/secrets/..%2Fx%3Fy"


def test_a_kubeconfig_is_read_where_it_is_named(tmp_path):
    path = tmp_path / "config"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
    path.write_text(yaml.safe_dump(document))
    for name in ("KUBECONFIG", "KUBE_CONFIG_PATH"):
        found = asyncio.run(load_configuration({name: str(path)}))
        assert (found.host, json.dumps(found.api_key)) == ("http://127.0.0.1:1", '{"BearerToken": "Bearer t"}')


@pytest.mark.parametrize("content", ["", "nonsense", "{}", None])
def test_a_cluster_that_cannot_be_found_is_told_with_the_remedy(tmp_path, content):
    path = tmp_path / "config"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputInvalid, match="KUBE_CONFIG_PATH"):
        asyncio.run(load_configuration({"KUBE_CONFIG_PATH": str(path)}))
