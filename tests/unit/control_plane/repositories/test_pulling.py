"""A connected repository: what is pushed is published, whatever it holds and whoever says so."""

import hashlib
import hmac
import json
from dataclasses import replace
from datetime import timedelta
from urllib.parse import unquote, urlsplit

import pytest

from intellyhub_control_plane.models.people import Membership
from intellyhub_control_plane.models.record import now
from intellyhub_control_plane.models.repositories import FlowRepository
from intellyhub_control_plane.repositories import pulling
from intellyhub_control_plane.repositories.pulling import Puller
from tests.unit.control_plane.house import BROKEN, HELLO, HOOK

SECOND = HELLO.replace("Hi", "Hello")


def push(house, made, body=None, secret=None, header="X-Hub-Signature-256", **headers):
    content = json.dumps(body if body is not None else {"ref": "refs/heads/main"}).encode()
    signature = hmac.new((secret or made["secret"]).encode(), content, hashlib.sha256).hexdigest()
    sent = {header: f"sha256={signature}", **headers} if header else headers
    return house.client.post(
        f"/api/repositories/{made['id']}/push", data=content, content_type="application/json", headers=sent
    )


def flows(house, person):
    return {each["slug"]: each for each in house.call(person, "GET", "/api/flows").json["items"]}


def results(pull):
    return {each["file"]: (each["result"], each["slug"], each["version"]) for each in pull["results"]}


def test_connecting_publishes_its_flows_and_shows_the_secret_once(house, ada, repository, connected, puller, history):
    commit = repository.commit({"flows/hello.yaml": HELLO, "ci.yaml": "jobs: {}\n", "README.md": "# flows\n"})
    made = connected()
    assert made["webhook_url"] == f"http://hub.test/api/repositories/{made['id']}/push"
    assert len(made["secret"]) > 30
    assert puller.work_off() == 1
    assert results(history(made)[0]) == {"flows/hello.yaml": ("created", "hello", 1)}
    assert (history(made)[0]["revision"], history(made)[0]["cause"]) == (commit, "connect")
    shown = house.call(ada, "GET", f"/api/repositories/{made['id']}").text
    assert made["secret"] not in shown
    assert flows(house, ada)["hello"]["version"] == 1


def test_a_push_publishes_just_what_changed(house, ada, repository, connected, puller, history):
    repository.commit({"hello.yaml": HELLO, "hook.yaml": HOOK})
    made = connected()
    puller.work_off()
    repository.commit({"hello.yaml": SECOND})
    assert push(house, made).json == {"taken": True, "message": "it is looked at now"}
    puller.work_off()
    assert results(history(made)[0]) == {"hello.yaml": ("published", "hello", 2)}
    assert {slug: each["version"] for slug, each in flows(house, ada).items()} == {"hello": 2, "hook": 1}


def test_a_file_that_is_gone_switches_its_flow_off_and_a_file_that_comes_back_goes_on(
    house, ada, repository, connected, puller, history
):
    repository.commit({"hello.yaml": HELLO, "hook.yaml": HOOK})
    made = connected()
    puller.work_off()
    (repository.folder / "hello.yaml").unlink()
    repository.commit({})
    push(house, made)
    puller.work_off()
    assert results(history(made)[0]) == {"hello.yaml": ("removed", "hello", 1)}
    assert "switched off, not deleted" in history(made)[0]["results"][0]["message"]
    assert flows(house, ada)["hello"]["active"] is False
    repository.commit({"hello.yaml": SECOND})
    push(house, made)
    puller.work_off()
    assert flows(house, ada)["hello"]["active"] is True
    assert flows(house, ada)["hello"]["version"] == 2


def test_a_flow_that_was_switched_off_by_a_person_stays_off(house, ada, repository, connected, puller):
    repository.commit({"hello.yaml": HELLO})
    made = connected()
    puller.work_off()
    flow = flows(house, ada)["hello"]
    house.call(ada, "PUT", f"/api/flows/{flow['id']}", {"active": False})
    repository.commit({"hello.yaml": SECOND})
    push(house, made)
    puller.work_off()
    assert flows(house, ada)["hello"]["active"] is False


def test_a_file_with_faults_keeps_no_other_back_and_its_faults_are_told(
    house, ada, repository, connected, puller, history
):
    repository.commit({"broken.yaml": BROKEN, "hello.yaml": HELLO, "latin.yaml": b"name: \xe9\nstates: {}\n"})
    made = connected()
    puller.work_off()
    (pull,) = history(made)
    assert pull["ok"] is False
    assert {file: each[0] for file, each in results(pull).items()} == {
        "broken.yaml": "failed",
        "hello.yaml": "created",
        "latin.yaml": "failed",
    }
    assert "line 4: " in next(each["message"] for each in pull["results"] if each["file"] == "broken.yaml")
    assert set(flows(house, ada)) == {"hello"}


def test_two_files_with_one_name_are_two_faults_less_one(house, ada, repository, connected, puller, history):
    repository.commit({"a/hello.yaml": HELLO, "b/hello.yaml": SECOND})
    made = connected()
    puller.work_off()
    assert [each["result"] for each in history(made)[0]["results"]] == ["created", "failed"]
    assert "is that of a/hello.yaml" in history(made)[0]["results"][1]["message"]


def test_only_the_connected_folder_and_branch_count(house, ada, repository, connected, puller):
    repository.commit({"flows/hello.yaml": HELLO, "other/hook.yaml": HOOK})
    repository.git("checkout", "--quiet", "-b", "release")
    repository.commit({"flows/hello.yaml": SECOND})
    made = connected(path="/flows/", branch="release")
    puller.work_off()
    flow = flows(house, ada)["hello"]
    assert "Hello" in house.call(ada, "GET", f"/api/flows/{flow['id']}").json["yaml_content"]
    assert "hook" not in flows(house, ada)
    answer = push(house, made, {"ref": "refs/heads/main"})
    assert (answer.status_code, answer.json["taken"]) == (202, False)
    assert puller.work_off() == 0
    assert push(house, made, {"ref": "refs/tags/v1"}).json["taken"] is False


def test_links_lead_nowhere(house, ada, repository, connected, puller, tmp_path):
    outside = tmp_path / "outside.yaml"
    outside.write_text(HELLO)
    repository.commit({"hook.yaml": HOOK})
    (repository.folder / "stolen.yaml").symlink_to(outside)
    (repository.folder / "etc").symlink_to("/etc")
    repository.commit({})
    connected()
    puller.work_off()
    assert set(flows(house, ada)) == {"hook"}


def test_pushes_that_come_twice_or_in_another_order_give_the_newest_commit_once(
    house, ada, repository, connected, puller, history
):
    repository.commit({"hello.yaml": HELLO})
    made = connected()
    puller.work_off()
    newest = repository.commit({"hello.yaml": SECOND})
    for body in ({"ref": "refs/heads/main", "after": newest}, {"ref": "refs/heads/main", "after": "0" * 40}):
        assert push(house, made, body).status_code == 202
        assert push(house, made, body).status_code == 202
    assert puller.work_off() == 1
    push(house, made)
    puller.work_off()
    assert history(made)[0]["revision"] == newest
    assert len(history(made)) == 2
    assert flows(house, ada)["hello"]["version"] == 2


def test_a_push_that_comes_while_it_is_pulled_is_looked_at_once_more(house, repository, connected, puller):
    repository.commit({"hello.yaml": HELLO})
    made = connected()
    wanted = puller.claim()
    push(house, made)
    assert puller.claim() is None  # one at a time
    puller.pull(wanted)
    assert puller.work_off() == 1


def test_what_was_being_pulled_by_one_that_was_killed_is_looked_at_again(house, ada, repository, connected, puller):
    repository.commit({"hello.yaml": HELLO})
    made = connected()
    assert puller.claim() is not None
    assert puller.claim() is None
    with house.database.transaction() as session:
        session.get_one(FlowRepository, made["id"]).pulling_until = now() - timedelta(seconds=1)
    assert puller.work_off() == 1
    assert set(flows(house, ada)) == {"hello"}
    assert puller.work_off() == 0


def test_each_file_that_is_published_gives_the_puller_more_time(house, ada, repository, connected, puller, monkeypatch):
    repository.commit({"hello.yaml": HELLO})
    made = connected()
    wanted = puller.claim()
    with house.database.transaction() as session:
        session.get_one(FlowRepository, made["id"]).pulling_until = now() + timedelta(seconds=1)
    left = []
    monkeypatch.setattr(Puller, "note", lambda *_, **__: left.append(leased(house, made)))
    puller.pull(wanted)
    assert left[0] > now() + timedelta(seconds=60)


def leased(house, made):
    with house.database.transaction(writing=False) as session:
        return session.get_one(FlowRepository, made["id"]).pulling_until


@pytest.mark.parametrize("header", ["X-Hub-Signature-256", "X-Intellyhub-Signature", "X-Gitea-Signature"])
def test_only_who_knows_the_secret_is_believed(house, repository, connected, header):
    repository.commit({"hello.yaml": HELLO})
    made = connected(secret="a-secret-of-my-own")
    assert made["secret"] == "a-secret-of-my-own"
    assert push(house, made, secret="another-secret-here", header=header).status_code == 401
    assert push(house, made, header=header).status_code == 202


def test_gitlab_shows_the_secret_itself(house, repository, connected):
    repository.commit({"hello.yaml": HELLO})
    made = connected()
    assert push(house, made, header=None, **{"X-Gitlab-Token": "no"}).status_code == 401
    assert push(house, made, header=None, **{"X-Gitlab-Token": made["secret"]}).status_code == 202
    assert push(house, made, header=None).status_code == 401


def test_nobody_learns_which_repositories_there_are(house, repository, connected):
    repository.commit({"hello.yaml": HELLO})
    made = connected()
    unknown = push(house, {**made, "id": "0" * 32})
    unsigned = push(house, made, header=None)
    assert (unknown.status_code, unknown.json["detail"]) == (unsigned.status_code, unsigned.json["detail"])


def test_a_repository_that_cannot_be_fetched_says_why_in_its_history(house, ada, connected, puller, history):
    made = connected(branch="nowhere")
    puller.work_off()
    assert history(made)[0]["ok"] is False
    assert "cannot be fetched" in history(made)[0]["message"]
    assert house.call(ada, "GET", f"/api/repositories/{made['id']}").json["waiting"] is False


def test_credentials_are_secrets_of_the_tenant_and_never_shown(house, ada, repository, server, puller, history):
    repository.commit({"hello.yaml": HELLO})
    host = server.url.removeprefix("http://")
    body = {"url": f"http://git:{{GIT_TOKEN}}@{host}/flows.git"}
    made = house.call(ada, "POST", "/api/repositories", body).json
    puller.work_off()
    assert "GIT_TOKEN" in history(made)[0]["message"]
    house.call(ada, "POST", "/api/secrets", {"name": "GIT_TOKEN", "value": "token-of-ada"})
    house.call(ada, "POST", f"/api/repositories/{made['id']}/sync")
    puller.work_off()
    assert history(made)[0]["ok"] is True
    assert "token-of-ada" not in house.call(ada, "GET", f"/api/repositories/{made['id']}").text


def test_a_secret_stays_a_credential_whatever_it_holds(house, ada, connected, server, puller, monkeypatch):
    house.call(ada, "POST", "/api/secrets", {"name": "GIT_TOKEN", "value": "a/b@c#d?e"})
    host = server.url.removeprefix("http://")
    house.call(ada, "POST", "/api/repositories", {"url": f"http://git:{{GIT_TOKEN}}@{host}/flows.git"})
    asked = []
    monkeypatch.setattr(pulling, "clone", lambda address, *_, **__: asked.append(address) or 1 / 0)  # type: ignore[func-returns-value, redundant-expr]
    puller.work_off()
    parts = urlsplit(asked[0])
    assert (parts.netloc.rpartition("@")[2], unquote(parts.password), parts.path) == (host, "a/b@c#d?e", "/flows.git")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("url", "file:///etc"),
        ("url", "ssh://git@host/x.git"),
        ("url", "/etc"),
        ("url", "ext::sh -c id"),
        ("url", "https://user:password@host/x.git"),
        ("url", "https://token@host/x.git"),
        ("url", "git+https://host/x.git"),
        ("branch", "--upload-pack=id"),
        ("branch", "a..b"),
        ("path", "../other"),
        ("path", "/../x"),
    ],
)
def test_what_could_lead_elsewhere_is_refused(house, ada, field, value):
    body = {"url": "https://git.test/x.git", field: value}
    answer = house.call(ada, "POST", "/api/repositories", body)
    assert answer.status_code == 422, answer.text
    assert answer.json["errors"][0]["location"] == f"body.{field}"


def test_addresses_inside_are_refused_where_tenants_are_strangers(house, ada, repository, connected, puller, history):
    repository.commit({"hello.yaml": HELLO})
    made = connected()
    object.__setattr__(house.platform, "settings", strict(house.platform.settings))
    answer = house.call(ada, "POST", "/api/repositories", {"url": "http://127.0.0.1:1/flows.git"})
    assert "INTELLYHUB_INSIDE_REPOSITORIES" in answer.json["errors"][0]["message"]
    puller.work_off()  # one that was connected before, or whose name means another address by now
    assert "an address inside" in history(made)[0]["message"]


def strict(settings):
    return replace(settings, inside_repositories=False)


def test_whoever_may_not_publish_any_more_publishes_nothing(house, ada, repository, connected, puller, history):
    repository.commit({"hello.yaml": HELLO})
    made = connected()
    with house.database.transaction() as session:
        session.get_one(Membership, (ada.tenant_id, ada.user_id)).role = "viewer"
    puller.work_off()
    bob = house.person(of=ada)
    pull = house.call(bob, "GET", f"/api/repositories/{made['id']}").json["pulls"][0]
    assert "connect it again" in pull["results"][0]["message"]
    assert flows(house, bob) == {}


def test_a_disconnected_repository_is_forgotten_and_its_flows_stay(house, ada, repository, connected, puller):
    repository.commit({"hello.yaml": HELLO})
    made = connected()
    puller.work_off()
    assert house.call(ada, "DELETE", f"/api/repositories/{made['id']}").status_code == 204
    assert push(house, made).status_code == 401
    assert flows(house, ada)["hello"]["active"] is True


def test_a_mistake_of_ours_is_not_the_end_of_pulling(house, ada, repository, connected, puller, history, monkeypatch):
    repository.commit({"hello.yaml": HELLO})
    made = connected()
    monkeypatch.setattr(type(puller), "fetch", lambda *_: 1 / 0)
    puller.work_off()
    assert "the platform made a mistake" in history(made)[0]["message"]
