"""Plugins and services on a whole platform: from a repository and an index, through the command line, into runs."""

import json
import socketserver
import subprocess
import tempfile
import threading
import urllib.request
from pathlib import Path

import pytest

from intellyhub_functions.testing.git_server import GitServer, Repository
from intellyhub_functions.testing.package_index import PackageIndex
from tests.integration.test_up import CACHE, COMMAND, Platform

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("platform"), pytest.mark.timeout(120)]

MANIFEST = {
    "name": "shout",
    "version": "1.0.0",
    "description": "Says things loudly.",
    "author": "Ada",
    "entry_file": "shout_state.py",
    "state_type": "shout",
    "requirements": ["loud>=1", "ast>=3.8.0"],
    "dependencies": {
        "services": [
            {"type": "redis", "prefer": "remote", "connection_vars": {"url": "CACHE_URL", "password": "CACHE_PASSWORD"}}
        ]
    },
}
CODE = """\
import loud
from .base_state import BaseState


class ShoutState(BaseState):
    state_type = "shout"

    def execute(self, variables):
        text = self.format_recursive(self.state_config["text"], variables)
        variables["said"] = f"{text} {MARK} loud {loud.VERSION} {self.global_context.get('CACHE_URL')}"
        variables["password_length"] = len(self.global_context.get("CACHE_PASSWORD", ""))
        return self.state_config.get("transition")
"""
FLOW = """\
name: shouting
states:
  say:
    state_type: shout
    text: hello
    transition: done
  done:
    state_type: end
    result:
      said: "{said}"
      length: "{password_length}"
"""


def plugin(mark, version="1.0.0"):
    return {
        "plugins/shout/manifest.json": json.dumps({**MANIFEST, "version": version}),
        "plugins/shout/shout_state.py": CODE.replace("{MARK}", mark),
    }


@pytest.fixture(scope="module")
def world():
    """A repository of plugins, an index of packages, a service, a platform."""
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as place:
        folder = Path(place)
        repository = Repository(folder / "git" / "plugins.git")
        repository.commit(plugin("one"))
        redis = socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler)
        threading.Thread(target=redis.serve_forever, kwargs={"poll_interval": 0.01}).start()
        with GitServer(folder / "git") as git, PackageIndex(folder / "index") as index:
            index.add_wheel("loud", "1.0", {"loud.py": "VERSION = '1.0'\n"})
            platform = Platform(folder)
            platform.environment = {
                **{name: value for name, value in platform.environment.items() if not name.startswith("PIP_")},
                **index.environment,
            }
            try:
                platform.start()
                platform.log_in()
                yield platform, repository, f"git+{git.url}/plugins.git", index, redis.server_address[1]
            finally:
                platform.close()
                redis.shutdown()
                redis.server_close()


def refused(platform, *arguments):
    done = platform.call(*arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    return done.stderr


def invoke(platform):
    return json.loads(platform.answer("invoke", "shouting"))


def test_a_plugin_goes_from_its_repository_into_a_run_and_is_updated_under_way(world):
    platform, repository, address, index, _ = world
    flow = platform.folder / "flow.yaml"
    flow.write_text(FLOW)
    assert "no state type is called 'shout'" in refused(platform, "deploy", str(flow), "--slug", "shouting")

    found = platform.answer("plugins", "search", "--repository", address, "loud")
    assert found.startswith("shout\t1.0.0\tshout\t")
    assert "intellyhub plugins install shout" in refused(platform, "deploy", str(flow), "--slug", "shouting")
    unseen = refused(platform, "plugins", "install", "shout")
    for line in ("package      loud>=1", "hosts        any", "service      redis", "not signed", "add --yes"):
        assert line in unseen

    installed = platform.answer("plugins", "install", "shout", "--yes")
    assert installed == f"shout 1.0.0 is installed at {platform.url}\n"
    published = platform.call("deploy", str(flow), "--slug", "shouting")
    assert published.returncode == 0
    assert "no service of the type 'redis' is registered" in published.stdout + published.stderr
    assert invoke(platform)["said"] == "hello one loud 1.0 None"

    repository.commit(plugin("two", "1.1.0"))
    index.add_wheel("loud", "1.5", {"loud.py": "VERSION = '1.5'\n"})
    before = platform.pids
    assert platform.answer("plugins", "update", "all") == f"shout 1.0.0 -> 1.1.0 at {platform.url}\n"
    assert invoke(platform)["said"] == "hello two loud 1.5 None"
    assert platform.pids == before


def test_a_service_that_is_registered_later_is_injected_and_its_secret_stays_one(world):
    platform, _, _, _, port = world
    token = json.loads((platform.folder / "config" / "intellyhub" / "logins.json").read_text())
    token = token["logins"][platform.url]["token"]

    def ask(method, path, document=None):
        request = urllib.request.Request(
            platform.url + path,
            None if document is None else json.dumps(document).encode(),
            {"Content-Type": "application/json", "Authorization": f"Bearer {token}"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.read().decode()

    ask("POST", "/api/secrets", {"name": "REDIS_SECRET", "value": "a-long-secret"})
    registry = f"""\
microservices:
  - id: cache
    name: Cache
    type: redis
    location: remote
    connection:
      url: redis://127.0.0.1:{port}
      password: "{{REDIS_SECRET}}"
"""
    assert json.loads(ask("POST", "/api/microservices/yaml/import", {"yaml_content": registry}))["created"] == ["cache"]
    looked = json.loads(ask("POST", "/api/microservices/cache/health"))
    assert (looked["status"], looked["flows"]) == ("healthy", ["shouting"])
    answer = invoke(platform)
    assert answer["said"].endswith(f"redis://127.0.0.1:{port}")
    assert answer["length"] in ("13", 13)
    records = [path.read_text() for path in (platform.data / "deployments").glob("*.json")]
    assert any("{REDIS_SECRET}" in record for record in records)
    assert not any("a-long-secret" in record for record in records)
    assert "a-long-secret" not in ask("GET", "/api/microservices/cache") + ask("GET", "/api/microservices/yaml/export")


PYTHON = """\
name: greeting
states:
  greet:
    state_type: python
    requirements: [loud>=1]
    code: |
      import loud

      def main() -> str:
          return f"loud {loud.VERSION}"
    output: said
    transition: done
  done:
    state_type: end
    result:
      said: "{said}"
"""


def test_packages_that_a_flows_python_requires_are_there_when_it_runs(world):
    platform, *_ = world
    flow = platform.folder / "python.yaml"
    flow.write_text(PYTHON.replace("loud>=1", "nowhere>=1"))
    assert "nowhere>=1 cannot be installed" in refused(platform, "deploy", str(flow), "--slug", "greeting")
    flow.write_text(PYTHON)
    platform.answer("deploy", str(flow), "--slug", "greeting")
    assert json.loads(platform.answer("invoke", "greeting"))["said"].startswith("loud 1.")
    platform.answer("delete", "greeting", "--yes")


def test_freezing_and_installing_gives_another_platform_the_same(world):
    platform, _, _, index, _ = world
    frozen = platform.answer("plugins", "freeze")
    assert "sha256:" in frozen
    assert "loud==1.5 --hash=sha256:" in frozen
    folder = platform.folder / "elsewhere"
    folder.mkdir()
    (folder / "plugins.yaml").write_text(frozen)
    (folder / "flow.yaml").write_text(FLOW)
    index.add_wheel("loud", "1.9", {"loud.py": "VERSION = '1.9'\n"})
    installed = subprocess.run(
        [COMMAND, "plugins", "install", "--here"], cwd=folder, env=platform.environment, capture_output=True, text=True
    )
    assert (installed.returncode, installed.stdout) == (0, "shout 1.1.0 is installed in plugins\n"), installed.stderr
    ran = subprocess.run(
        [COMMAND, "run", "flow.yaml", "--json"], cwd=folder, env=platform.environment, capture_output=True, text=True
    )
    assert "hello two loud 1.5" in ran.stdout, ran.stdout + ran.stderr


def test_a_plugin_that_a_flow_uses_is_not_taken_away(world):
    platform, *_ = world
    done = platform.call("plugins", "uninstall", "shout")
    assert (done.returncode, "used by shouting" in done.stderr) == (69, True)
    platform.answer("delete", "shouting", "--yes")
    platform.answer("plugins", "uninstall", "shout")
    assert platform.answer("plugins", "list") == ""
