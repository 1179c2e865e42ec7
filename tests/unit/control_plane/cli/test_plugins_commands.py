"""`intellyhub plugins` in a folder, and what it asks a platform."""

import base64
import json
import os
import subprocess
import sys

import pytest
import yaml

from intellyhub_control_plane.cli.plugins import platform_shelf
from intellyhub_control_plane.plugins.files import read_archive
from intellyhub_functions.testing.git_server import Repository
from tests.unit.control_plane.plugins.sources import state_plugin, under, write

FLOW = """\
name: shouting
states:
  say:
    state_type: shout
    output: x
    transition: done
  done:
    state_type: end
    result: "{said}"
"""


@pytest.fixture
def here(tmp_path, monkeypatch, call):
    folder = tmp_path / "flows"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("INTELLYHUB_URL")
    return folder


def test_a_folder_of_plugins_is_installed_beside_flows_that_then_run(here, call, tmp_path):
    write(tmp_path / "clone", under("plugins/shout", state_plugin()) | under("plugins/wave", state_plugin("wave")))
    (here / "flow.yaml").write_text(FLOW)
    code, out, err = call("plugins", "install", str(tmp_path / "clone"), "--yes")
    assert (code, out) == (0, "shout 1.0.0 is installed in plugins\nwave 1.0.0 is installed in plugins\n")
    assert "hosts        any: it does not say which" in err
    assert call("plugins", "list")[1].splitlines()[0].split("\t")[:3] == ["shout", "1.0.0", "shout"]
    code, out, err = call("run", "flow.yaml", "--json")
    assert (code, "1.0.0" in out) == (0, True), err


def test_nobody_is_asked_where_nobody_is(here, call, tmp_path):
    write(tmp_path / "shout", state_plugin())
    code, out, err = call("plugins", "install", str(tmp_path / "shout"))
    assert (code, out) == (2, "")
    assert "add --yes" in err
    assert not (here / "plugins").exists()


def test_what_is_pinned_needs_no_asking_and_nothing_else_is_taken(here, call, tmp_path):
    folder = write(tmp_path / "shout", state_plugin())
    call("plugins", "install", str(folder), "--yes")
    digest = json.loads(call("plugins", "list", "--json")[1])[0]["digest"]
    call("plugins", "uninstall", "shout")
    assert call("plugins", "install", str(folder), "--digest", digest)[0] == 0
    write(folder, state_plugin(version="2.0.0"))
    code, _, err = call("plugins", "install", str(folder), "--digest", digest)
    assert (code, "its files have changed" in err) == (2, True)


@pytest.mark.slow
def test_frozen_plugins_come_back_just_so(here, call, tmp_path, index, monkeypatch):
    index.add_wheel("loud", "1.0", {"loud.py": ""})
    repository = Repository(tmp_path / "plugins.git")
    repository.commit(under("plugins/shout", state_plugin(requirements=["loud"])))
    call("plugins", "install", f"git+file://{repository.folder}", "--yes")
    code, frozen, _ = call("plugins", "freeze")
    (entry,) = yaml.safe_load(frozen)["dependencies"]
    assert (code, entry["version"], entry["lock"][0].split(" ")[0]) == (0, "==1.0.0", "loud==1.0")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "plugins.yaml").write_text(frozen)
    index.add_wheel("loud", "2.0", {"loud.py": ""})
    monkeypatch.chdir(elsewhere)
    code, out, err = call("plugins", "install")
    assert (code, out) == (0, "shout 1.0.0 is installed in plugins\n"), err
    assert call("plugins", "freeze")[1] == frozen
    repository.commit(under("plugins/shout", state_plugin(version="1.1.0", requirements=["loud"])))
    code, _, err = call("plugins", "install")
    assert (code, "asks for ==1.0.0" in err) == (2, True)


@pytest.mark.slow
def test_a_repository_of_plugins_yaml_is_searched_installed_from_and_updated_from(here, call, tmp_path):
    repository = Repository(tmp_path / "plugins.git")
    repository.commit(under("plugins/shout", state_plugin()) | under("plugins/wave", state_plugin("wave")))
    listed = {"repositories": [f"git+file://{repository.folder}"], "dependencies": ["shout>=1.0.0"]}
    (here / "plugins.yaml").write_text(yaml.safe_dump(listed))
    assert [line.split("\t")[0] for line in call("plugins", "search")[1].splitlines()] == ["shout", "wave"]
    assert [line.split("\t")[0] for line in call("plugins", "search", "WAVE")[1].splitlines()] == ["wave"]
    assert call("plugins", "install", "--yes")[1] == "shout 1.0.0 is installed in plugins\n"
    assert call("plugins", "update", "shout")[1] == "shout 1.0.0 is the newest\n"
    repository.commit(under("plugins/shout", state_plugin(version="1.1.0")))
    assert call("plugins", "update", "all")[1] == "shout 1.0.0 -> 1.1.0 in plugins\n"
    code, _, err = call("plugins", "update", "wave")
    assert (code, err) == (1, "wave: no plugin 'wave' is installed in plugins\n")


def test_what_cannot_be_done_says_what_to_do(here, call):
    for arguments, message in (
        (["install"], "name a plugin to install"),
        (["update"], "update all"),
        (["uninstall", "shout"], "no plugin 'shout' is installed"),
        (["search"], "no repository of plugins is known"),
        (["install", "./nowhere", "--yes"], "there is no plugin"),
        (["list", "--here", "--url", "http://x.test"], "say one of them"),
    ):
        code, _, err = call("plugins", *arguments)
        assert code != 0
        assert message in err


@pytest.mark.slow
@pytest.mark.parametrize("kind", [[], ["--source"]])
def test_a_new_plugin_is_a_project_whose_test_passes(here, call, kind):
    assert call("plugins", "new", "loud-voice", *kind)[0] == 0
    folder = here / "loud-voice"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)],
        cwd=folder,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
    )
    assert done.returncode == 0, done.stdout
    code, out, err = call("plugins", "install", "./loud-voice", "--yes")
    assert (code, out) == (0, "loud-voice 0.1.0 is installed in plugins\n"), err
    assert "hosts        none" in err
    (here / "example.yaml").write_text((folder / "example.yaml").read_text())
    assert call("check", "example.yaml", "--strict")[0] == 0
    code, _, err = call("plugins", "new", "loud-voice")
    assert (code, "is there already" in err) == (73, True)


@pytest.mark.slow
def test_a_new_plugin_that_was_published_is_the_same_plugin(here, call, tmp_path, index):
    call("plugins", "new", "loud-voice")
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist")],
        cwd=here / "loud-voice",
        capture_output=True,
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    index.add("intellyhub-plugin-loud-voice", wheel.name, wheel.read_bytes())
    code, out, err = call("plugins", "install", "loud-voice", "--yes")
    assert (code, out) == (0, "loud-voice 0.1.0 is installed in plugins\n"), err
    assert "hosts        none" in err


def test_a_name_that_no_module_can_have_is_refused(here, call):
    for name in ("1st", "a/b", "..", "-x"):
        assert call("plugins", "new", "--", name)[0] == 2


def test_a_platform_that_knows_nothing_yet_is_told_to_look(call, api):
    listed = {"name": "shout", "version": "1.0", "state_types": ["shout"], "listener_types": [], "installed": False}
    listed |= {"source": "git+x", "description": "", "fault": None, "available_version": "1.0"}
    pages = [(200, {"items": [], "next_cursor": None}), (200, {"items": [listed], "next_cursor": None})]
    api.answers["GET", "/api/plugins"] = pages
    api.answers["POST", "/api/plugins/repository/sync"] = (200, {"synced": 1, "repositories": []})
    assert call("plugins", "search", "shout")[1].startswith("shout\t1.0\t")
    api.answers["GET", "/api/plugins"] = (200, {"items": [], "next_cursor": None})
    api.answers["POST", "/api/plugins/repository/sync"] = (403, {"detail": "not you", "status": 403})
    assert call("plugins", "search", "shout")[:2] == (0, "")


def installation(state, *steps, plugin=None, fault=None):
    shown = [{"at": "2026-01-31T08:15:00.250Z", "text": step} for step in steps]
    return {"id": "7", "what": "x", "state": state, "steps": shown, "plugin": plugin, "fault": fault}


def test_the_steps_of_an_installation_are_shown_though_the_line_breaks(call, api, tmp_path, monkeypatch):
    monkeypatch.setattr(platform_shelf, "LOOK_SECONDS", 0.001)
    folder = write(tmp_path / "shout", state_plugin())
    api.answers["POST", "/api/plugins"] = (202, installation("running"))
    api.answers["GET", "/api/plugins/installations/7"] = [
        (200, installation("running", "resolving loud")),
        (503, {"detail": "away", "status": 503}),
        (200, installation("done", "resolving loud", "installing 2 packages", plugin="shout")),
    ]
    api.answers["GET", "/api/plugins/shout"] = (200, {"name": "shout", "version": "1.0.0"})
    code, out, err = call("plugins", "install", str(folder), "--yes")
    assert (code, out) == (0, f"shout 1.0.0 is installed at {api.url}\n")
    assert (err.count("  resolving loud\n"), err.count("  installing 2 packages\n")) == (1, 1)


@pytest.mark.parametrize(
    ("over", "code", "said"),
    [
        (installation("failed", fault="loud cannot be installed"), 2, "loud cannot be installed"),
        (installation("interrupted"), 1, "try again"),
    ],
)
def test_an_installation_that_came_to_nothing_says_why(call, api, tmp_path, over, code, said):
    api.answers["POST", "/api/plugins"] = (202, over)
    ended, out, err = call("plugins", "install", str(write(tmp_path / "shout", state_plugin())), "--yes")
    assert (ended, out, said in err) == (code, "", True)


def test_a_folder_is_sent_to_a_platform_and_its_needs_are_shown_first(call, api, tmp_path):
    folder = write(tmp_path / "shout", state_plugin())
    api.answers["POST", "/api/plugins"] = (202, installation("done", plugin="shout"))
    api.answers["GET", "/api/plugins/shout"] = (200, {"name": "shout", "version": "1.0.0"})
    code, out, err = call("plugins", "install", str(folder), "--yes")
    assert (code, out) == (0, f"shout 1.0.0 is installed at {api.url}\n")
    assert "digest       sha256:" in err
    asked = api.asked[0]
    assert asked.headers["prefer"] == "respond-async"
    files = {name: text.encode() for name, text in state_plugin().items()}
    assert read_archive(base64.b64decode(asked.document["archive"])) == files
    assert asked.document["digest"].startswith("sha256:")
    assert asked.document["folder"] == "shout"
