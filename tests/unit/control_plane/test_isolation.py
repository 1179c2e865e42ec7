"""Every route keeps tenants apart. A new route without a row here fails."""

import base64
import json
from typing import Any

import pytest

from intellyhub_control_plane.models.roles import Role
from intellyhub_control_plane.plugins.files import pack
from intellyhub_control_plane.target.local import INSTALLATIONS
from intellyhub_control_plane.web.area import NEEDS
from intellyhub_control_plane.web.document import make_documented_app
from intellyhub_functions.testing.git_server import GitServer, Repository
from tests.unit.control_plane.house import HELLO, HOOK
from tests.unit.control_plane.records import add_build, add_dead_letter, add_repository, add_run, finished, logged, step

OPERATIONS = {
    operation["operationId"]: (method.upper(), path, operation)
    for path, item in make_documented_app().api_doc["paths"].items()
    for method, operation in item.items()
}
GUARDED = {name: each for name, each in OPERATIONS.items() if each[2].get("security")}
OPEN = {"register", "login", "getLiveness", "getHealth", "getVersionInfo", "receivePush"}
"""Routes that are for everybody, and speak of no tenant; a push is signed with its repository's secret."""
PLUGIN = {
    "manifest.json": json.dumps(
        {"name": "mine", "version": "1.0.0", "entry_file": "mine_state.py", "state_type": "mine"}
    ),
    "mine_state.py": "from .base_state import BaseState\n\n\nclass MineState(BaseState):\n    state_type = 'mine'\n",
}
NAMED = ("name", "plugin", "installation_id", "service_id")
BODIES: dict[str, dict[str, Any]] = {
    "buildFlow": {"to": ""},
    "connectRepository": {"url": "https://git.test/mine.git"},
    "createFlow": {"name": "Mine", "yaml_content": HELLO},
    "createToken": {"name": "mine"},
    "executeFlow": {},
    "forkRun": {"seq": 1},
    "importServices": {"yaml_content": "microservices: [{id: mine, type: redis, connection: {}}]"},
    "inspectPlugin": {"source": "REPOSITORY"},
    "installPlugin": {"archive": base64.b64encode(pack({k: v.encode() for k, v in PLUGIN.items()})).decode()},
    "installPluginsOfFlow": {},
    "registerService": {"name": "Mine", "type": "redis"},
    "replayRun": {},
    "resumeRun": {"decision": True},
    "scaleService": {"replicas": 1},
    "setSecret": {"name": "mine", "value": "my-own-value"},
    "startRollout": {"percent": 10},
    "setVariable": {"key": "mine", "value": 1},
    "syncRepository": {"url": "REPOSITORY"},
    "updateFlow": {"name": "taken over"},
    "updateService": {"name": "taken over"},
    "validateFlow": {"yaml_content": HELLO},
}
"""A body for each operation that takes one."""


@pytest.fixture(scope="module")
def house(shared_house):
    return shared_house


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A repository of plugins, which is anybody's."""
    folder = tmp_path_factory.mktemp("git")
    Repository(folder / "plugins.git").commit({f"plugins/mine/{name}": text for name, text in PLUGIN.items()})
    with GitServer(folder) as server:
        yield f"git+{server.url}/plugins.git"


@pytest.fixture(scope="module")
def stranger(house):
    """Someone who may do everything, elsewhere."""
    return house.person(admin=True)


@pytest.fixture(scope="module")
def victim(house):
    """Someone with one of everything."""
    person = house.person()
    flow = house.flow(person, HOOK, "Victim's flow")
    run_id = add_run(house, person, flow["id"], step(changes={"x": "victim"}), logged("victim's line"), finished())
    token = house.call(person, "POST", "/api/tokens", {"name": "victim's token"}).json
    house.call(person, "POST", "/api/variables", {"key": "victims_variable", "value": "victim"})
    house.call(person, "POST", "/api/secrets", {"name": "victims_secret", "value": "victim-value"})
    manifest = PLUGIN["manifest.json"].replace('"mine"', '"victims-plugin"', 1)
    files = {name: text.encode() for name, text in {**PLUGIN, "manifest.json": manifest}.items()}
    archive = base64.b64encode(pack(files)).decode()
    assert house.call(person, "POST", "/api/plugins", {"archive": archive}).status_code == 201
    (installation,) = (house.layout.plugins_of(person.tenant_id) / INSTALLATIONS).iterdir()
    service = {"id": "victims-service", "name": "victim", "type": "redis", "connection": {"host": "victim.test"}}
    assert house.call(person, "POST", "/api/microservices/yaml/import", services_yaml(service)).status_code == 200
    names = {
        "flow_id": flow["id"],
        "version": "1",
        "run_id": run_id,
        "token_id": token["id"],
        "key": "victims_variable",
        "name": "victims_secret",
        "plugin": "victims-plugin",
        "installation_id": installation.stem,
        "service_id": "victims-service",
        "build_id": add_build(house, person, flow["id"]),
        "repository_id": add_repository(house, person),
        "dead_letter_id": str(add_dead_letter(house, person, flow["id"], "victim")),
    }
    return person, names


def test_what_is_open_to_all_is_listed_here():
    assert OPERATIONS.keys() - GUARDED.keys() == OPEN


def test_every_rule_of_the_application_says_who_may_call_it(house):
    rules = {rule.endpoint for rule in house.client.application.url_map.iter_rules()}
    assert rules <= NEEDS.keys()


@pytest.mark.parametrize("operation_id", sorted(GUARDED))
def test_nobody_sees_or_touches_what_is_another_tenants(house, victim, stranger, repository, operation_id):
    method, path, operation = GUARDED[operation_id]
    person, names = victim
    before = snapshot(house, person, names)
    body = BODIES[operation_id] if "requestBody" in operation else None
    if body:
        body = {key: repository if value == "REPOSITORY" else value for key, value in body.items()}
    answer = house.call(stranger, method, path.format(**names), body)
    if "{" in path:
        assert answer.status_code == 404, answer.text
    else:
        assert answer.status_code < 300 or answer.status_code == 503, answer.text
        assert not [
            name for name in ("victim", person.tenant_id, names["flow_id"], names["run_id"]) if name in answer.text
        ]
    assert snapshot(house, person, names) == before


@pytest.mark.parametrize("operation_id", sorted(GUARDED))
def test_nobody_gets_in_without_saying_who(house, operation_id):
    method, path, _ = GUARDED[operation_id]
    names = dict.fromkeys(
        (
            "build_id",
            "repository_id",
            "flow_id",
            "run_id",
            "token_id",
            "key",
            "name",
            "plugin",
            "installation_id",
            "service_id",
        ),
        "x",
    )
    answer = house.call(None, method, path.format(version=1, dead_letter_id=1, **names))
    assert answer.status_code == 401


@pytest.mark.parametrize("operation_id", sorted(GUARDED))
def test_a_role_below_the_one_that_a_route_asks_for_is_refused(house, victim, operation_id):
    method, path, _ = GUARDED[operation_id]
    owner, names = victim
    needed = next(needs for endpoint, needs in NEEDS.items() if endpoint.endswith(f".{snake_case(operation_id)}"))
    if not isinstance(needed, Role):
        assert house.call(owner, method, path).status_code == 403
        return
    lower = [role for role in Role if not role.may(needed)]
    if not lower:
        return
    member = house.person(lower[0], of=owner)
    answer = house.call(member, method, path.format(**names), BODIES.get(operation_id))
    assert (answer.status_code, answer.json["type"]) == (403, "urn:intellyhub:problem:forbidden")


def snapshot(house, person, names):
    """What the victim has."""
    pages = (
        *("flows", "tokens", "variables", "secrets", "runs", "dead-letters", f"flows/{names['flow_id']}/versions"),
        *("plugins", "microservices", "builds", "repositories"),
    )
    return {page: house.call(person, "GET", f"/api/{page}").json["items"] for page in pages}


def services_yaml(*services):
    return {"yaml_content": json.dumps({"microservices": services})}


def snake_case(name):
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
