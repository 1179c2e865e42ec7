"""`/api/plugins` and what it does to flows; repositories and packages are real."""

import base64
import json
import shutil

import pytest

from intellyhub_control_plane import plugin_desk
from intellyhub_control_plane.models.audit import AuditEntry
from intellyhub_control_plane.models.roles import Role
from intellyhub_control_plane.plugins.files import pack
from intellyhub_control_plane.routes import plugins as routes
from intellyhub_control_plane.target.sweeping import mend_layers, sweep_layers
from intellyhub_functions.testing.surroundings import await_that
from tests.unit.control_plane.plugins.sources import state_plugin, under

FLOW = """\
name: shouting
states:
  say:
    state_type: shout
    text: hello
    transition: done
  done:
    state_type: end
"""


@pytest.fixture
def person(house):
    return house.person()


def archive(files):
    return base64.b64encode(pack({name: text.encode() for name, text in files.items()})).decode()


def install(house, person, files=None, **more):
    return house.call(person, "POST", "/api/plugins", {"archive": archive(files or state_plugin()), **more})


def deployed(house, flow):
    return house.platform.publisher.target.deployment(flow["id"])


def test_there_are_no_plugins_at_first(house, person):
    answer = house.call(person, "GET", "/api/plugins").json
    assert (answer["items"], answer["plugins"], answer["next_cursor"]) == ([], [], None)


def test_an_uploaded_plugin_is_installed_and_flows_can_use_it(house, person):
    refused = house.call(person, "POST", "/api/flows", {"name": "x", "yaml_content": FLOW})
    assert refused.json["problems"][0]["code"] == "unknown-state-type"
    answer = install(house, person)
    assert (answer.status_code, answer.json["name"], answer.json["state_types"]) == (201, "shout", ["shout"])
    flow = house.flow(person, FLOW)
    assert flow["problems"] == []
    (plugin,) = deployed(house, flow).plugins
    assert plugin.name == "shout"
    assert plugin.folder.startswith(str(house.layout.plugins_of(person.tenant_id)))
    detail = house.call(person, "GET", "/api/plugins/shout").json
    assert (detail["flows"], detail["needs"]["hosts"], detail["fault"]) == (["hello"], None, None)
    assert detail["frozen"]["digest"] == detail["digest"]


def test_another_version_is_used_by_flows_without_being_published_again(house, person):
    install(house, person)
    flow = house.flow(person, FLOW)
    before = deployed(house, flow).plugins[0].folder
    install(house, person, state_plugin(version="2.0.0"))
    assert deployed(house, flow).plugins[0].folder != before
    assert house.call(person, "GET", f"/api/flows/{flow['id']}").json["version"] == 1


def test_what_a_crash_left_undone_the_next_pass_does(house, person, monkeypatch):
    install(house, person)
    flow = house.flow(person, FLOW)
    before = deployed(house, flow).plugins[0].folder
    with monkeypatch.context() as patch:
        patch.setattr(routes, "equip_flows", lambda *_: None)
        install(house, person, state_plugin(version="2.0.0"))
    assert deployed(house, flow).plugins[0].folder == before
    house.platform.publisher.reconcile()
    assert deployed(house, flow).plugins[0].folder != before


def test_a_flow_that_calls_another_has_the_plugins_of_both(house, person):
    install(house, person)
    house.flow(person, FLOW, "shouting")
    text = "name: caller\nstates:\n  go:\n    state_type: call\n    flow: shouting\n    transition: end\n"
    assert [plugin.name for plugin in deployed(house, house.flow(person, text, "caller")).plugins] == ["shout"]


def test_a_plugin_that_is_used_stays_unless_that_is_forced(house, person):
    install(house, person)
    flow = house.flow(person, FLOW)
    refused = house.call(person, "DELETE", "/api/plugins/shout")
    assert (refused.status_code, "used by hello" in refused.json["detail"]) == (409, True)
    assert house.call(person, "DELETE", "/api/plugins/shout?force=true").status_code == 204
    assert house.call(person, "GET", "/api/plugins/shout").status_code == 404
    shown = house.call(person, "GET", f"/api/flows/{flow['id']}").json
    assert shown["problems"][0]["code"] == "unknown-state-type"


def await_end(house, person, begun):
    """The installation when it is over."""
    assert (begun.status_code, begun.headers["Location"]) == (202, f"/api/plugins/installations/{begun.json['id']}")
    return await_that(
        lambda: (
            found
            if (found := house.call(person, "GET", begun.headers["Location"]).json)["state"] != "running"
            else None
        )
    )


def test_nobody_has_to_wait_for_an_installation(house, person):
    flow = house.call(person, "POST", "/api/flows", {"name": "x", "yaml_content": FLOW.replace("shout", "end")}).json
    body = {"archive": archive(state_plugin())}
    over = await_end(house, person, house.call(person, "POST", "/api/plugins", body, Prefer="respond-async, wait=1"))
    assert (over["state"], over["plugin"], over["fault"]) == ("done", "shout", None)
    assert over["steps"][-1]["text"] == "deploying the flows that use it"
    assert house.call(person, "GET", "/api/plugins/shout").json["version"] == "1.0.0"
    assert house.flow(person, FLOW)["problems"] == []
    with house.database.transaction(writing=False) as session:
        (entry,) = session.query(AuditEntry).filter_by(tenant_id=person.tenant_id, action="plugin.installed")
    assert entry.actor == person.email
    assert flow["version"] == 1


def test_an_installation_that_nobody_waited_for_says_why_it_failed(house, person):
    body = {"archive": archive({"readme.txt": "x"})}
    over = await_end(house, person, house.call(person, "POST", "/api/plugins", body, Prefer="respond-async"))
    assert (over["state"], over["plugin"], "cannot be used" in over["fault"]) == ("failed", None, True)
    assert house.call(person, "GET", "/api/plugins/installations/nothing").status_code == 404


def test_a_mistake_of_ours_is_logged_and_ends_the_installation(house, person, monkeypatch, caplog):
    def fail(*_):
        raise ZeroDivisionError("secret text")

    monkeypatch.setattr(routes, "equip_flows", fail)
    body = {"archive": archive(state_plugin())}
    over = await_end(house, person, house.call(person, "POST", "/api/plugins", body, Prefer="respond-async"))
    assert (over["state"], "its log says" in over["fault"]) == ("failed", True)
    assert "ZeroDivisionError" in caplog.text


def test_what_was_looked_at_is_what_is_installed(house, person):
    digest = install(house, person).json["digest"]
    other = install(house, person, state_plugin(version="6.6.6"), digest=digest)
    assert other.status_code == 422
    assert "its files have changed" in other.json["errors"][0]["message"]
    assert house.call(person, "GET", "/api/plugins/shout").json["version"] == "1.0.0"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "a source, or an archive"),
        ({"archive": "x", "source": "y"}, "a source, or an archive"),
        ({"archive": "%%%"}, "not base64"),
        ({"archive": base64.b64encode(b"no").decode()}, "cannot be read"),
        ({"archive": archive({"readme.txt": "x"})}, "cannot be used"),
        ({"source": "./folder"}, "send its files"),
        ({"source": "git+file:///etc"}, "cannot be fetched"),
        ({"source": "a b c"}, "names no plugin"),
        ({"archive": archive(state_plugin(requirements=["x @ http://evil.test/x.whl"]))}, "names an address"),
    ],
)
def test_what_cannot_be_installed_says_why(house, person, body, message):
    answer = house.call(person, "POST", "/api/plugins", body)
    assert answer.status_code == 422
    assert message in answer.json["errors"][0]["message"]
    assert house.call(person, "GET", "/api/plugins").json["items"] == []


def test_who_installs_must_be_an_administrator_and_is_recorded(house, person):
    editor = house.person(Role.EDITOR, of=person)
    assert install(house, editor).status_code == 403
    install(house, person)
    with house.database.transaction(writing=False) as session:
        entries = session.query(AuditEntry).filter_by(tenant_id=person.tenant_id, action="plugin.installed").all()
    assert [(entry.subject, entry.actor, entry.details["version"]) for entry in entries] == [
        ("shout", person.email, "1.0.0")
    ]


def test_two_at_a_time_are_enough(house, person):
    with plugin_desk.AT_ONCE, plugin_desk.AT_ONCE:
        answer = install(house, person)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "10")
    assert install(house, person).status_code == 201


def test_a_picture_is_given_and_kept_for_an_hour(house, person):
    install(house, person, {**state_plugin(), "icon.svg": "<svg>mine</svg>"})
    install(house, person, state_plugin("whisper"))
    mine = house.call(person, "GET", "/api/plugins/shout/icon")
    assert (mine.mimetype, mine.text, mine.headers["Cache-Control"]) == (
        "image/svg+xml",
        "<svg>mine</svg>",
        "private, max-age=3600",
    )
    assert "script-src 'self'" in mine.headers["Content-Security-Policy"]
    assert "viewBox" in house.call(person, "GET", "/api/plugins/whisper/icon").text
    assert house.call(person, "GET", "/api/plugins/nothing/icon").status_code == 404


def test_the_list_has_pages_and_words(house, person):
    for name in ("shout", "whisper", "wave"):
        install(house, person, state_plugin(name))
    first = house.call(person, "GET", "/api/plugins?limit=2").json
    second = house.call(person, "GET", f"/api/plugins?limit=2&cursor={first['next_cursor']}").json
    assert [[each["name"] for each in page["items"]] for page in (first, second)] == [["shout", "wave"], ["whisper"]]
    assert [each["name"] for each in house.call(person, "GET", "/api/plugins?q=DOES+wave").json["items"]] == ["wave"]
    assert house.call(person, "GET", "/api/plugins?installed=false").json["items"] == []
    assert house.call(person, "GET", "/api/plugins?cursor=x").status_code == 422


@pytest.mark.slow
def test_a_repository_is_known_searched_installed_from_and_updated_from(house, person, repository, git_server):
    repository.commit(under("plugins/shout", state_plugin()) | under("plugins/whisper", state_plugin("whisper")))
    address = f"git+{git_server.url}/plugins.git"
    synced = house.call(person, "POST", "/api/plugins/repository/sync", {"url": address}).json
    assert (synced["synced"], synced["repositories"][0]["url"]) == (2, address)
    listed = house.call(person, "GET", "/api/plugins?q=shout").json["items"]
    assert [(each["name"], each["installed"]) for each in listed] == [("shout", False)]
    problems = house.call(person, "POST", "/api/flows/validate", {"yaml_content": FLOW}).json["problems"]
    assert problems[0]["suggestion"] == "intellyhub plugins install shout"
    (seen,) = house.call(person, "POST", "/api/plugins/inspect", {"source": "shout"}).json["items"]
    assert (seen["name"], seen["installed_version"], seen["signed"]) == ("shout", None, False)
    assert house.call(person, "GET", "/api/plugins/shout").status_code == 404
    body = {"source": seen["source"], "digest": seen["digest"], "name": "shout"}
    assert house.call(person, "POST", "/api/plugins", body).status_code == 201
    repository.commit(under("plugins/shout", state_plugin(version="1.1.0")))
    updated = house.call(person, "POST", "/api/plugins/shout/update").json
    assert (updated["version"], updated["available_version"]) == ("1.1.0", "1.0.0")
    house.call(person, "POST", "/api/plugins/repository/sync")
    assert house.call(person, "GET", "/api/plugins/shout").json["available_version"] == "1.1.0"


@pytest.mark.slow
def test_a_flow_is_given_what_it_misses(house, person, repository, git_server):
    kinds = {"plugin_type": "listener", "listener_type": "bell", "entry_file": "bell_listener.py"}
    listener = {
        "manifest.json": json.dumps({"name": "bell-listener", "version": "1.0.0", **kinds}),
        "bell_listener.py": "from .base_listener import BaseListener\n\n\nclass BellListener(BaseListener):\n"
        "    listener_type = 'bell'\n\n    def listen(self, config_file):\n        pass\n",
    }
    repository.commit(under("plugins/shout", state_plugin()) | under("plugins/bell-listener", listener))
    house.call(person, "POST", "/api/plugins/repository/sync", {"url": f"git+{git_server.url}/plugins.git"})
    install(house, person)
    flow = house.flow(person, FLOW)
    house.call(person, "DELETE", "/api/plugins/shout?force=true")
    answer = house.call(person, "POST", f"/api/flows/{flow['id']}/plugins/install", {}).json
    assert ([each["name"] for each in answer["installed"]], answer["missing"]) == (["shout"], [])
    assert answer["flow"]["problems"] == []
    assert [plugin.name for plugin in deployed(house, flow).plugins] == ["shout"]
    text = FLOW + "listener:\n  type: bell\n"
    problems = house.call(person, "POST", "/api/flows/validate", {"yaml_content": text}).json["problems"]
    assert [each["suggestion"] for each in problems] == ["intellyhub plugins install bell-listener"]
    house.call(person, "POST", f"/api/flows/{flow['id']}/plugins/install", {"plugins": ["bell-listener"]})
    assert house.call(person, "POST", "/api/flows/validate", {"yaml_content": text}).json["valid"]


@pytest.mark.slow
def test_a_flow_names_its_plugins_itself(house, person, repository, git_server):
    repository.commit(under("plugins/whisper", state_plugin("whisper", "2.0.0")))
    house.call(person, "POST", "/api/plugins/repository/sync", {"url": f"git+{git_server.url}/plugins.git"})
    install(house, person, state_plugin("whisper", "1.0.0"))
    text = "dependencies: ['whisper>=2', 'a b']\nname: x\nstates:\n  go:\n    state_type: whisper\n"
    flow = house.flow(person, text)
    told = [(each["code"], each["suggestion"]) for each in flow["problems"] if each["code"] == "dependency"]
    assert told == [("dependency", "intellyhub plugins install 'whisper>=2'"), ("dependency", None)]
    answer = house.call(person, "POST", f"/api/flows/{flow['id']}/plugins/install", {}).json
    assert [(each["name"], each["version"]) for each in answer["installed"]] == [("whisper", "2.0.0")]


@pytest.mark.slow
def test_an_address_names_a_secret_that_is_shown_nowhere(house, person, repository, git_server):
    house.call(person, "POST", "/api/secrets", {"name": "GIT_TOKEN", "value": "very-secret"})
    repository.commit(under("plugins/shout", state_plugin()))
    address = f"git+{git_server.url}/plugins.git".replace("http://", "http://ada:{GIT_TOKEN}@")
    answer = house.call(person, "POST", "/api/plugins", {"source": address})
    assert (answer.status_code, answer.json["source"]) == (201, f"{address}#subdirectory=plugins/shout")
    lost = house.call(person, "POST", "/api/plugins", {"source": address.replace("plugins.git", "nothing.git")})
    assert "very-secret" not in answer.text + lost.text
    kept = (house.layout.plugins_of(person.tenant_id) / "plugins.json").read_text()
    assert "very-secret" not in kept


@pytest.mark.slow
def test_packages_of_a_plugin_and_of_python_are_given_to_the_flow_that_uses_them(house, person, index):
    index.add_wheel("loud", "1.0", {"loud.py": ""})
    installed = install(house, person, state_plugin(requirements=["loud"])).json
    assert installed["frozen"]["lock"][0].startswith("loud==1.0 --hash=sha256:")
    flow = house.flow(person, FLOW)
    (plugin,) = deployed(house, flow).plugins
    assert plugin.layer == str(house.layout.layers / installed["layer"])
    assert (house.layout.layers / installed["layer"] / "loud.py").is_file()
    other = house.flow(person, "name: plain\nstates:\n  go:\n    state_type: end\n", "plain")
    assert deployed(house, other).plugins == ()
    index.add_wheel("loud", "2.0", {"loud.py": ""})
    newer = install(house, person, state_plugin(requirements=["loud"])).json
    assert newer["layer"] != installed["layer"]
    deployments = house.platform.publisher.target.deployments
    assert sweep_layers(house.layout, deployments().values()) == []
    gone = sweep_layers(house.layout, deployments().values(), now=2e10)
    assert gone == [installed["layer"]]
    assert (house.layout.layers / newer["layer"] / "loud.py").is_file()
    shutil.rmtree(house.layout.layers)
    assert mend_layers(house.layout) == []
    assert (house.layout.layers / newer["layer"] / "loud.py").is_file()


@pytest.mark.slow
def test_packages_that_contradict_each_other_are_told_and_nothing_changes(house, person, index):
    index.add_wheel("loud", "1.0", {"loud.py": ""}, requires=["quiet<2"])
    index.add_wheel("quiet", "2.0", {"quiet.py": ""})
    answer = install(house, person, state_plugin(requirements=["loud", "quiet>=2"]))
    assert answer.status_code == 422
    assert "conflicting dependencies" in answer.json["errors"][0]["message"]
    assert house.call(person, "GET", "/api/plugins").json["items"] == []


def test_a_repository_that_cannot_be_fetched_is_told(house, person):
    answer = house.call(person, "POST", "/api/plugins/repository/sync", {"url": "git+http://127.0.0.1:1/x.git"})
    assert answer.status_code == 422
    assert "cannot be fetched" in answer.json["errors"][0]["message"]
    assert house.call(person, "POST", "/api/plugins/repository/sync", {}).status_code == 422
    assert house.call(person, "POST", "/api/plugins/repository/sync", {"url": "rss-reader"}).status_code == 422
    keyed = {"url": "git+http://127.0.0.1:1/x.git", "key": "no key"}
    assert house.call(person, "POST", "/api/plugins/repository/sync", keyed).json["errors"][0]["location"] == "body.key"


def test_a_service_that_a_plugin_needs_and_nobody_registered_is_a_warning(house, person):
    services = [{"type": "redis", "connection_vars": {"url": "CACHE_URL"}}]
    install(house, person, state_plugin(dependencies={"services": services}))
    flow = house.flow(person, FLOW)
    assert [(each["code"], each["severity"], each["message"]) for each in flow["problems"]] == [
        ("service", "warning", "no service of the type 'redis' is registered")
    ]
    service = {"name": "Cache", "type": "redis", "connection": {"url": "redis://127.0.0.1:1"}}
    house.call(person, "POST", "/api/microservices", service)
    assert deployed(house, flow).services == {"CACHE_URL": "redis://127.0.0.1:1"}
    problems = house.call(person, "GET", f"/api/flows/{flow['id']}").json["problems"]
    assert "does not answer" in problems[0]["message"]
