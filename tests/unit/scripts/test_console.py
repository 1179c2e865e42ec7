"""The script that builds the console: which Node.js it takes, and when it has nothing to do."""

import gzip
import json

import pytest

from scripts import console


@pytest.mark.parametrize("version", ["v20.19.0", "v20.20.2", "v22.12.0", "v23.0.0", "v24.1.0", "v101.0.0"])
def test_a_node_that_vite_runs_on_is_taken(version):
    assert console.is_new_enough(f"{version}\n")


@pytest.mark.parametrize("version", ["v18.20.0", "v20.18.9", "v21.7.3", "v22.11.0", "", "20.19.0", "node: not found"])
def test_an_older_node_is_not_taken(version):
    assert not console.is_new_enough(version)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name, value in (("FRONTEND", "f"), ("DIST", "f/dist"), ("STAMP", "stamp.json"), ("ROOT", "")):
        monkeypatch.setattr(console, name, tmp_path / value)
    (tmp_path / "f" / "src").mkdir(parents=True)
    (tmp_path / "f" / "src" / "a.ts").write_text("1")
    return tmp_path


def test_a_changed_moved_or_new_source_is_another_state(folder):
    digests = {console.make_digest()}
    source = folder / "f" / "src" / "a.ts"
    source.write_text("2")
    digests.add(console.make_digest())
    source.rename(source.with_name("b.ts"))
    digests.add(console.make_digest())
    source.write_text("")
    digests.add(console.make_digest())
    assert len(digests) == 4


def test_what_is_made_is_no_source(folder):
    before = console.make_digest()
    for made in ("dist", "node_modules"):
        (folder / "f" / made).mkdir()
        (folder / "f" / made / "x.js").write_text("made")
    (folder / "f" / "openapi.json").write_text("made")
    assert console.make_digest() == before


def test_a_stamp_without_what_it_stands_for_is_not_believed(folder):
    console.STAMP.write_text(json.dumps({"root": str(folder), "digest": console.make_digest()}))
    assert not console.is_built()
    console.DIST.mkdir()
    (console.DIST / "index.html").write_text("<html>")
    assert console.is_built()
    (folder / "f" / "src" / "a.ts").write_text("2")
    assert not console.is_built()


def test_texts_get_a_gzipped_copy_that_is_the_same_each_time_and_others_none(tmp_path):
    (tmp_path / "a.js").write_text("x" * 2000)
    (tmp_path / "b.woff2").write_bytes(b"x" * 2000)
    console.compress(tmp_path)
    first = (tmp_path / "a.js.gz").read_bytes()
    (tmp_path / "a.js.gz").unlink()
    console.compress(tmp_path)
    assert gzip.decompress(first) == b"x" * 2000
    assert (tmp_path / "a.js.gz").read_bytes() == first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.js", "a.js.gz", "b.woff2"]


def test_arguments_that_mean_nothing_are_refused(capsys):
    assert console.main(["biuld"]) == 2
    assert "usage" in capsys.readouterr().err
