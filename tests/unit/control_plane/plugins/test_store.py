"""Plugins from folders, real repositories and a real index, into a store."""

import json
import zipfile

import pytest

from intellyhub_control_plane.plugins import store as store_module
from intellyhub_control_plane.plugins.fetching import Fetcher, unpack
from intellyhub_control_plane.plugins.files import write_files
from intellyhub_control_plane.plugins.origins import read_origin
from intellyhub_control_plane.plugins.repositories import Repository as Known
from intellyhub_control_plane.plugins.repositories import find_plugins, list_offers, matches, offers
from intellyhub_control_plane.plugins.store import Choices, Store
from intellyhub_control_plane.plugins.wanted import read_wanted, write_wanted
from intellyhub_engine.errors import InputInvalid
from intellyhub_functions.layers.layers import LayerFailed
from intellyhub_functions.plugins.tables import make_catalogue
from tests.unit.control_plane.plugins.sources import state_plugin, under, write

LOCAL = Fetcher(is_local=True)
REMOTE = Fetcher()


@pytest.fixture
def store(tmp_path):
    return Store(folder=tmp_path / "store", layers=tmp_path / "layers")


def fetch(text, fetcher=LOCAL):
    return fetcher.fetch(read_origin(str(text)))


def test_a_folder_of_published_plugins_is_installed_whole(tmp_path, store):
    for name in ("shout", "whisper", "telegram-bot"):
        write(tmp_path / "clone" / "plugins" / name, state_plugin(name))
    for candidate in fetch(tmp_path / "clone"):
        store.install(candidate)
    assert list(store.rows()) == ["shout", "telegram-bot", "whisper"]
    assert "whisper" in make_catalogue(store.installed()).states
    assert all(store.verify(row) for row in store.rows().values())


def test_another_version_takes_the_place_of_the_one_before(tmp_path, store):
    folder = write(tmp_path / "shout", state_plugin())
    first = store.install(fetch(folder)[0])
    write(folder, state_plugin(version="2.0.0"))
    second = store.install(fetch(folder)[0])
    assert (first.version, second.version, store.row("shout")) == ("1.0.0", "2.0.0", second)
    assert store.path(first).is_dir()
    store.sweep([str(store.path(first))])
    assert store.path(first).is_dir()
    store.sweep(())
    assert not store.path(first).is_dir()
    assert store.path(second).is_dir()


def test_nothing_is_swept_while_a_plugin_is_being_installed(tmp_path, store):
    candidate = fetch(write(tmp_path / "shout", state_plugin()))[0]
    other = Store(folder=store.folder, layers=store.layers)
    files_come_first = []

    def write_and_sweep(folder, files):
        write_files(folder, files)
        other.sweep(())
        files_come_first.append(folder.is_dir())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store_module, "write_files", write_and_sweep)
        row = store.install(candidate)
    assert files_come_first == [True]
    assert store.verify(row)


def test_a_plugin_of_one_file_is_a_plugin(tmp_path, store):
    code = (
        "from intellyhub import state\n\n@state\ndef wave(times: int = 1) -> str:\n    '''Waves.'''\n    return 'o/'\n"
    )
    (tmp_path / "wave.py").write_text(code)
    row = store.install(fetch(tmp_path / "wave.py")[0])
    assert store.path(row).name == "wave.py"
    assert "wave" in make_catalogue(store.installed()).states


def test_what_is_no_plugin_says_so(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputInvalid, match="no folder there has a manifest"):
        fetch(tmp_path / "empty")
    write(tmp_path / "broken", {"manifest.json": json.dumps({"name": "x"})})
    with pytest.raises(InputInvalid, match="cannot be used"):
        fetch(tmp_path / "broken")
    with pytest.raises(InputInvalid, match="send its files"):
        fetch(tmp_path / "broken", REMOTE)


def test_files_that_are_not_the_pinned_ones_are_refused(tmp_path, store):
    folder = write(tmp_path / "shout", state_plugin())
    candidate = fetch(folder)[0]
    store.install(candidate, Choices(digest=candidate.digest))
    write(folder, {"shout_state.py": "evil = True\n" + state_plugin()["shout_state.py"]})
    changed = fetch(folder)[0]
    with pytest.raises(InputInvalid, match="its files have changed"):
        store.install(changed, Choices(digest=candidate.digest))
    with pytest.raises(InputInvalid, match="not signed"):
        store.install(changed, Choices(key="RWQ" + "A" * 53))
    assert store.row("shout").digest == candidate.digest


def test_files_that_were_changed_where_they_are_kept_are_noticed(tmp_path, store):
    row = store.install(fetch(write(tmp_path / "shout", state_plugin()))[0])
    assert store.verify(row)
    (store.path(row) / "shout_state.py").write_text("evil = True")
    assert not store.verify(row)


@pytest.mark.slow
def test_a_repository_is_fetched_by_branch_tag_and_commit(repository, git_server, store):
    first = repository.commit(under("plugins/shout", state_plugin()))
    repository.tag("v1")
    repository.commit(under("plugins/shout", state_plugin(version="2.0.0")))
    address = f"git+{git_server.url}/plugins.git"
    found = {reference: fetch(f"{address}{reference}", REMOTE)[0] for reference in ("", "@main", "@v1", f"@{first}")}
    assert [each.manifest.version for each in found.values()] == ["2.0.0", "2.0.0", "1.0.0", "1.0.0"]
    assert found["@v1"].revision == first
    row = store.install(found["@v1"])
    assert row.source == f"{address}@v1#subdirectory=plugins/shout"
    assert fetch(row.source, REMOTE)[0].digest == row.digest


@pytest.mark.slow
def test_a_repository_that_is_not_there_says_so(git_server):
    with pytest.raises(InputInvalid, match=r"nothing\.git.* cannot be fetched: "):
        fetch(f"git+{git_server.url}/nothing.git", REMOTE)
    with pytest.raises(InputInvalid, match="cannot be fetched"):
        fetch("git+http://127.0.0.1:1/nothing.git", REMOTE)


def test_nothing_of_this_machine_is_fetched_for_somebody_else(repository, tmp_path):
    repository.commit(under("plugins/shout", state_plugin()))
    for text in (f"git+file://{repository.folder}", f"git+{repository.folder}", "git+ext::sh -c touch% /tmp/x"):
        with pytest.raises(InputInvalid):
            fetch(text, REMOTE)
    assert fetch(f"git+file://{repository.folder}")[0].name == "shout"


@pytest.mark.slow
def test_links_and_hooks_of_a_repository_do_nothing(repository, git_server, tmp_path):
    (repository.folder / "plugins" / "shout").mkdir(parents=True)
    (repository.folder / "plugins" / "shout" / "secret.txt").symlink_to("/etc/passwd")
    hook = f"#!/bin/sh\ntouch {tmp_path / 'ran'}\n"
    repository.commit({**under("plugins/shout", state_plugin()), ".githooks/post-checkout": hook})
    (candidate,) = fetch(f"git+{git_server.url}/plugins.git", REMOTE)
    assert candidate.files["secret.txt"] == b"/etc/passwd"
    assert not (tmp_path / "ran").exists()


@pytest.mark.slow
def test_a_package_of_the_index_is_a_plugin_with_all_that_it_requires(index, store):
    files = {f"intellyhub_plugin_shout/{name}": text for name, text in state_plugin().items()}
    index.add_wheel(
        "intellyhub-plugin-shout", "3.1", files, requires=["loud>=1", "intellyhub-functions", "x; extra=='y'"]
    )
    index.add_wheel("loud", "1.0", {"loud.py": ""})
    (candidate,) = fetch("intellyhub-plugin-shout", REMOTE)
    assert (candidate.name, candidate.revision, candidate.needs.requirements) == ("shout", "3.1", ("loud>=1",))
    row = store.install(candidate)
    assert (store.layers / row.layer / "loud.py").is_file()
    assert row.lock[0].startswith("loud==1.0 --hash=sha256:")
    with pytest.raises(InputInvalid, match="No matching distribution"):
        fetch("intellyhub-plugin-shout>9", REMOTE)


@pytest.mark.slow
def test_a_native_package_has_its_version_and_needs_from_its_project(index):
    project = '[project]\nname = "intellyhub-plugin-wave"\nversion = "1"\n[tool.intellyhub]\nhosts = ["wave.test"]\n'
    code = "from intellyhub import state\n\n@state\ndef wave() -> str:\n    '''Waves.'''\n    return 'o/'\n"
    files = {"intellyhub_plugin_wave/wave.py": code, "intellyhub_plugin_wave/pyproject.toml": project}
    index.add_wheel("intellyhub-plugin-wave", "1.5", files)
    (candidate,) = fetch("intellyhub-plugin-wave", REMOTE)
    assert (candidate.name, candidate.manifest.version, candidate.needs.hosts) == ("wave", "1.5", ("wave.test",))


@pytest.mark.slow
def test_a_package_that_is_source_only_is_not_built(index):
    index.add_sdist("intellyhub-plugin-raw", "1.0")
    with pytest.raises(InputInvalid, match="source only"):
        fetch("intellyhub-plugin-raw", REMOTE)


@pytest.mark.slow
def test_a_plugin_whose_packages_cannot_be_had_is_not_installed(tmp_path, index, store):
    folder = write(tmp_path / "shout", state_plugin(requirements=["nowhere>=1"]))
    with pytest.raises(LayerFailed, match=r"what shout requires: nowhere>=1 cannot be installed"):
        store.install(fetch(folder)[0])
    assert store.rows() == {}
    assert store.install(fetch(folder)[0], Choices(without=("Nowhere",))).requirements == ()


@pytest.mark.slow
def test_packages_can_be_bounded(tmp_path, index, store):
    for version in ("1.0", "2.0"):
        index.add_wheel("loud", version, {"loud.py": ""})
    folder = write(tmp_path / "shout", state_plugin(requirements=["loud"]))
    row = store.install(fetch(folder)[0], Choices(constraints=("loud<2",)))
    assert row.lock[0].startswith("loud==1.0 ")


@pytest.mark.slow
def test_names_are_looked_up_in_repositories_then_as_packages(repository, git_server, index):
    repository.commit(under("plugins/shout", state_plugin()) | under("plugins/whisper", state_plugin("whisper")))
    known = list_offers(REMOTE, Known(address=f"git+{git_server.url}/plugins.git", key="RWx"))
    assert [each.name for each in known if matches(each, "does SHOUT")] == ["shout"]
    assert offers(known, state="Shout") == next(each for each in known if each.name == "shout")
    assert offers(known, listener="shout") is None
    ((candidate, key),) = find_plugins(REMOTE, read_origin("shout>=1"), known)
    assert (candidate.name, key) == ("shout", "RWx")
    with pytest.raises(InputInvalid, match=r"no known repository offers the plugin 'shout' >=2, and .*No matching"):
        find_plugins(REMOTE, read_origin("shout>=2"), known)
    with pytest.raises(InputInvalid, match="holds 2 plugins: shout, whisper"):
        find_plugins(REMOTE, read_origin(f"git+{git_server.url}/plugins.git"), known)


def test_an_index_that_is_damaged_says_so(store):
    store.folder.mkdir()
    (store.folder / "plugins.json").write_text("[]")
    with pytest.raises(InputInvalid, match="is damaged"):
        store.rows()
    (store.folder / "plugins.json").write_text('{"shout": {"version": "1", "digest": "sha256:00", "folder": "../x"}}')
    with pytest.raises(InputInvalid, match="is damaged"):
        store.rows()


def test_plugins_yaml_is_read_as_it_is_published_and_as_we_freeze_it():
    wanted = read_wanted("dependencies:\n  - telegram-listener>=1.0.0\n  - 'rss-reader >= 1.2'\n")
    assert [(str(each.origin), each.bounds) for each in wanted.plugins] == [
        ("telegram-listener>=1.0.0", ">=1.0.0"),
        ("rss-reader>=1.2", ">=1.2"),
    ]
    pinned = {"name": "shout", "version": "==1.0", "source": "git+https://x.test/p@v1", "digest": f"sha256:{'0' * 64}"}
    again = read_wanted(write_wanted([pinned], [Known(address="git+https://x.test/p", key="RWx")]))
    (entry,) = again.plugins
    assert (str(entry.origin), entry.bounds, entry.choices.digest) == (
        "git+https://x.test/p@v1",
        "==1.0",
        pinned["digest"],
    )
    assert again.repositories == (Known(address="git+https://x.test/p", key="RWx"),)


@pytest.mark.parametrize(
    "text",
    [
        "- x",
        "dependencies: x",
        "dependencies: [1]",
        "dependencies: [{name: x, dgst: y}]",
        "a: [",
        "x: !!python/object:os.system {}",
    ],
)
def test_a_plugins_yaml_that_cannot_be_used_says_why(text):
    with pytest.raises(InputInvalid, match=r"plugins\.yaml"):
        read_wanted(text)


def test_a_wheel_that_does_not_say_what_it_is_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "x-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("x.py", "")
    with pytest.raises(InputInvalid, match="is no wheel"):
        unpack(tmp_path / "x-1.0-py3-none-any.whl", tmp_path / "unpacked")
