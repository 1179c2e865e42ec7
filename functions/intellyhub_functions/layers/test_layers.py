"""Requirements against a real index, resolved by a real pip behind real walls."""

import functools
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.walls.probe import Walls, probe
from intellyhub_functions.layers import installer
from intellyhub_functions.layers.installer import progress_of
from intellyhub_functions.layers.layers import Layer, LayerFailed, LayerStore
from intellyhub_functions.layers.requirements import key_of, normalise, split_standard
from intellyhub_functions.layers.workshop import WorkFailed, Workshop, take
from intellyhub_functions.testing.package_index import PackageIndex, only_index


@pytest.fixture
def index(tmp_path: Path) -> Iterator[PackageIndex]:
    with only_index(tmp_path / "index") as index:
        yield index


@pytest.fixture
def store(tmp_path: Path) -> LayerStore:
    return LayerStore(layers=tmp_path / "layers", locks=tmp_path / "locks.json", owner="ada")


@functools.cache
def walls() -> Walls:
    return probe()


def need_walls(*, namespaces: bool = False) -> None:
    """Where the kernel builds none, the platform says so at its start."""
    if not walls().namespaces and (namespaces or not walls().landlock):
        pytest.skip("this kernel, or this user, can build no walls")


def loud(version: str) -> dict[str, str]:
    return {"loud.py": f"VERSION = {version!r}\n"}


def provide(store: LayerStore, *requirements: str, **choices: Any) -> Layer:
    layer = store.provide(requirements, **choices)
    assert layer is not None
    return layer


@pytest.mark.slow
def test_requirements_become_a_folder_that_can_be_imported_from(index: PackageIndex, store: LayerStore) -> None:
    index.add_wheel("loud", "1.0", loud("1.0"), requires=["quiet>=1"])
    index.add_wheel("quiet", "1.2", {"quiet.py": "ok = True\n"})
    layer = provide(store, "loud")
    program = "import loud, quiet; print(loud.VERSION, quiet.ok)"
    done = subprocess.run([sys.executable, "-c", program], env={"PYTHONPATH": str(layer.folder)}, capture_output=True)
    assert done.stdout == b"1.0 True\n"
    assert [line.split(" ")[0] for line in layer.lock] == ["loud==1.0", "quiet==1.2"]


@pytest.mark.slow
def test_what_is_locked_stays_until_newer_versions_are_asked_for(index: PackageIndex, store: LayerStore) -> None:
    index.add_wheel("loud", "1.0", loud("1.0"))
    first = provide(store, "loud>=1")
    index.add_wheel("loud", "2.0", loud("2.0"))
    assert store.provide(["Loud >= 1"]) == first
    assert store.find(["loud>=1"]) == first
    newer = provide(store, "loud>=1", anew=True)
    assert newer.lock[0].startswith("loud==2.0 ")
    assert first.folder.is_dir()
    assert newer.folder.is_dir()


@pytest.mark.slow
def test_a_layer_that_was_taken_away_comes_back_as_it_was_locked(index: PackageIndex, store: LayerStore) -> None:
    index.add_wheel("loud", "1.0", loud("1.0"))
    first = provide(store, "loud")
    index.add_wheel("loud", "2.0", loud("2.0"))
    shutil.rmtree(first.folder)
    assert store.find(["loud"]) is None
    assert store.provide(["loud"]) == first
    assert (first.folder / "loud.py").is_file()


@pytest.mark.slow
def test_two_owners_with_the_same_lock_share_one_folder(index: PackageIndex, store: LayerStore, tmp_path: Path) -> None:
    index.add_wheel("loud", "1.0", loud("1.0"))
    other = LayerStore(layers=store.layers, locks=tmp_path / "other.json", owner="bob")
    assert provide(store, "loud").folder == provide(other, "loud").folder


@pytest.mark.slow
def test_a_file_that_is_not_the_one_of_the_lock_is_refused(
    index: PackageIndex, store: LayerStore, tmp_path: Path
) -> None:
    index.add_wheel("loud", "1.0", loud("1.0"))
    lock = provide(store, "loud").lock
    page = index.folder / "simple" / "loud" / "index.html"
    page.unlink()
    index.add_wheel("loud", "1.0", loud("changed after it was locked"))
    other = LayerStore(layers=tmp_path / "others", locks=tmp_path / "other.json")
    with pytest.raises(LayerFailed, match=r"HASHES|hash"):
        other.provide(["loud"], lock=lock)
    assert not [each for each in (tmp_path / "others").glob("*") if not each.name.startswith("workshop")]


@pytest.mark.slow
def test_what_contradicts_itself_is_told_in_words(index: PackageIndex, store: LayerStore) -> None:
    index.add_wheel("loud", "1.0", loud("1.0"), requires=["quiet<2"])
    index.add_wheel("quiet", "2.0", {"quiet.py": ""})
    with pytest.raises(LayerFailed, match=r"loud, quiet>=2 cannot be installed: Cannot install .*conflicting"):
        store.provide(["loud", "quiet>=2"])


@pytest.mark.slow
def test_an_sdist_is_not_built_unless_that_is_allowed(index: PackageIndex, store: LayerStore) -> None:
    index.add_sdist("raw", "1.0")
    with pytest.raises(LayerFailed, match="builds must be allowed"):
        store.provide(["raw"])


@pytest.mark.slow
def test_a_source_that_hides_in_the_needs_of_a_wheel_is_not_built_either(
    index: PackageIndex, store: LayerStore
) -> None:
    index.add_sdist("raw", "1.0")
    address = index.url.replace("/simple/", "/files/raw-1.0.tar.gz")
    index.add_wheel("loud", "1.0", loud("1.0"), requires=[f"raw @ {address}"])
    with pytest.raises(LayerFailed, match="nothing is built from source"):
        store.provide(["loud"])


@pytest.mark.slow
def test_a_build_that_is_allowed_sees_nothing_of_the_machine(
    index: PackageIndex, store: LayerStore, tmp_path: Path
) -> None:
    need_walls(namespaces=True)
    index.add_sdist("raw", "1.0", look="/etc")
    layer = provide(store, "raw", builds=True)
    assert layer.built
    seen = (layer.folder / "raw.py").read_text()
    assert "'hosts'" in seen or "'ssl'" in seen
    assert "shadow" not in seen
    other = LayerStore(layers=store.layers, locks=tmp_path / "other.json", owner="bob")
    assert provide(other, "raw", builds=True).folder != layer.folder


def test_nothing_is_made_where_nothing_is_required(store: LayerStore) -> None:
    assert store.provide([]) is None
    assert store.provide(["ast>=3.8", "json"]) is None


@pytest.mark.parametrize(
    "line",
    ["--index-url http://evil.test", "-e .", "loud @ http://evil.test/loud.whl", "./loud", "loud==1 ; import os"],
)
def test_only_requirements_are_taken_for_requirements(store: LayerStore, line: str) -> None:
    with pytest.raises(InputInvalid):
        store.provide([line])


@pytest.mark.parametrize("line", ["loud==1.0", "--find-links /etc", "loud==1.0 --hash=sha256:00 --index-url=http://x"])
def test_only_lines_of_a_lock_are_taken_for_a_lock(store: LayerStore, line: str) -> None:
    with pytest.raises(LayerFailed, match="no line of a lock"):
        store.provide(["loud"], lock=[line])


def test_one_set_of_requirements_has_one_key_however_it_is_written() -> None:
    assert key_of(["B>=1", "a_b", "ast>=3"]) == key_of(["a-b", "b >= 1", "a-b"])
    assert key_of(["a"]) != key_of(["a>1"])
    assert normalise(["x ; python_version < '3'", "y"], without=["Y"]) == ()
    assert split_standard(["ast>=3.8.0", "requests"]) == (["requests"], ["ast>=3.8.0"])


def test_a_program_writes_in_its_folder_and_nowhere_else(tmp_path: Path) -> None:
    need_walls()
    victim = tmp_path / "victim"
    victim.mkdir(mode=0o777)
    with Workshop(tmp_path / "scratch") as workshop:
        said = workshop.run(["sh", "-c", f"echo mine > mine; cat mine; echo x > {victim}/theirs || echo refused"])
        assert said == "mine\nrefused\n"
        assert not list(victim.iterdir())
    assert not list((tmp_path / "scratch").iterdir())


def test_a_program_sees_none_of_our_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTELLYHUB_ADMIN_PASSWORD", "the-password")
    with Workshop(tmp_path / "scratch") as workshop:
        assert "the-password" not in workshop.run(["env"])


def test_a_program_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    with Workshop(tmp_path / "scratch") as workshop:
        began = time.monotonic()
        with pytest.raises(WorkFailed, match=r"longer than 0\.5 s"):
            workshop.run(["sleep", "50"], seconds=0.5)
        assert time.monotonic() - began < 10


@pytest.mark.slow
def test_a_program_that_writes_too_much_is_ended(tmp_path: Path) -> None:
    with Workshop(tmp_path / "scratch") as workshop, pytest.raises(WorkFailed, match="more than 8 MB"):
        workshop.run(["sh", "-c", "head -c 20000000 /dev/zero > big; sleep 50"], most_bytes=8 << 20, seconds=30)


def test_a_program_that_says_much_is_heard_at_its_end(tmp_path: Path) -> None:
    with Workshop(tmp_path / "scratch") as workshop:
        said = workshop.run(["sh", "-c", "yes | head -c 3000000; echo the end"])
    assert len(said) <= 1 << 20
    assert said.endswith("the end\n")


def test_a_program_that_fails_says_why(tmp_path: Path) -> None:
    with Workshop(tmp_path / "scratch") as workshop, pytest.raises(WorkFailed) as failed:
        workshop.run(["sh", "-c", "echo because >&2; exit 3"])
    assert failed.value.output == "because\n"


def test_links_are_not_taken_into_a_layer(tmp_path: Path) -> None:
    folder = tmp_path / "made"
    folder.mkdir()
    (folder / "passwords").symlink_to("/etc/passwd")
    with pytest.raises(WorkFailed, match="neither a file nor a folder"):
        take(folder, tmp_path / "layer")
    assert not (tmp_path / "layer").exists()


def test_a_damaged_file_of_locks_says_what_to_do(store: LayerStore) -> None:
    store.locks.write_text("{")
    with pytest.raises(InputInvalid, match="take it away"):
        store.find(["loud"])
    store.locks.write_text(json.dumps({}))
    assert store.find(["loud"]) is None


def test_credentials_of_an_index_are_in_no_message() -> None:
    said = installer.explain("ERROR: Could not fetch https://ada:geheim@index.test/simple: 401\n", builds=True)
    assert "geheim" not in said
    assert "***@index.test" in said


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("Collecting requests>=2.32 (from -r wanted.txt (line 1))", "collecting requests>=2.32"),
        (
            " Downloading https://u:p@index.test/x/torch-2.3.1.whl (779.1 MB)",
            "downloading torch-2.3.1.whl (779.1 MB)",
        ),
        ("  Downloading requests-2.32.3-py3-none-any.whl (64 kB)", None),
        ("Building wheel for sounds (pyproject.toml): started", "building wheel for sounds"),
        ("Saved ./wheels/requests-2.32.3-py3-none-any.whl", None),
    ],
)
def test_of_what_pip_says_a_person_hears_what_takes_its_time(line: str, told: str | None) -> None:
    assert progress_of(line) == told
