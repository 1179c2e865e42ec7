"""Layers: the same files, the same bytes."""

import gzip
import hashlib
import io
import os
import tarfile

import pytest

from intellyhub_knative.images.compression import MEMBER_BYTES, gzip_chunks
from intellyhub_knative.images.errors import LayerRefused
from intellyhub_knative.images.store import make_layer
from intellyhub_knative.images.tree import Entry, entries_of_folder, make_tar

LONG = "a/" + "ü" * 150 + "/file"


def members(entries):
    with tarfile.open(fileobj=io.BytesIO(b"".join(make_tar(entries)))) as archive:
        return archive.getmembers()


def test_the_bytes_of_a_layer_never_change():
    entries = [
        Entry(path="flow/flow.yaml", content=b"name: hello\n" * 100),
        Entry(path="flow/bin/run", content=b"#!/bin/sh\n", executable=True),
        Entry(path="flow/link", link="flow.yaml"),
        Entry(path=LONG, content=b"x"),
    ]
    layer = make_layer(reversed(entries), created_by="test")
    assert layer.diff_id == "sha256:" + hashlib.sha256(b"".join(make_tar(entries))).hexdigest()
    # These are the bytes of every machine and Python: a change is a change of every image.
    assert layer.diff_id == "sha256:b9176fed2192dfb5594d687ee27dcc86868d1d8200e65b02ef0408369c85e693"
    assert layer.blob.digest == "sha256:f32cc1bbe9fbc4bb8d817ca3926f12a9f3c2d5bd9aef793cc5d2ebfbcd8b12bf"


def test_folders_come_by_themselves_and_all_is_roots_without_a_time():
    found = members(
        [Entry(path="a/b/c", content=b"1"), Entry(path="a/b-c", content=b"2"), Entry(path="x", link="a/b-c")]
    )
    assert [(each.name, each.type) for each in found] == [
        ("a", tarfile.DIRTYPE),
        ("a/b", tarfile.DIRTYPE),
        ("a/b/c", tarfile.REGTYPE),
        ("a/b-c", tarfile.REGTYPE),
        ("x", tarfile.SYMTYPE),
    ]
    assert {(each.uid, each.gid, each.uname, each.gname, each.mtime) for each in found} == {(0, 0, "", "", 0)}
    assert [oct(each.mode) for each in found] == ["0o755", "0o755", "0o644", "0o644", "0o777"]


def test_a_folder_is_packed_without_what_was_compiled_and_without_its_rights(tmp_path):
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "a.cpython-311.pyc").write_bytes(b"")
    (tmp_path / "old.pyc").write_bytes(b"")
    (tmp_path / "a.py").write_text("1")
    (tmp_path / "run").write_text("2")
    (tmp_path / "run").chmod(0o700)
    (tmp_path / "a.py").chmod(0o600)
    (tmp_path / "link").symlink_to("a.py")
    found = {each.name: oct(each.mode) for each in members(entries_of_folder(tmp_path, "b"))}
    assert found == {"b": "0o755", "b/a.py": "0o644", "b/run": "0o755", "b/link": "0o777"}


@pytest.mark.parametrize("path", ["/etc/passwd", "../a", "a/../../b", "a/.wh.b", ".wh..wh..opq", "", "a\0b"])
def test_paths_that_lead_out_or_take_away_are_refused(path):
    with pytest.raises(LayerRefused):
        list(make_tar([Entry(path=path)]))


def test_what_is_a_file_and_a_folder_at_once_is_refused():
    with pytest.raises(LayerRefused, match="at once"):
        list(make_tar([Entry(path="a"), Entry(path="a/b")]))


def test_pipes_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(LayerRefused, match="neither a file"):
        list(entries_of_folder(tmp_path, "x"))


def test_a_file_that_grows_while_it_is_read_is_cut_at_its_size(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"a" * 10)
    entry = Entry(path="log", content=path)
    parts = make_tar([entry])
    header = next(parts)
    with path.open("ab") as file:
        file.write(b"b" * 10)
    with tarfile.open(fileobj=io.BytesIO(header + b"".join(parts))) as archive:
        found = archive.extractfile("log")
        assert found is not None
        assert found.read() == b"a" * 10


def test_compressed_bytes_do_not_depend_on_how_the_content_was_cut():
    content = os.urandom(1000) * ((MEMBER_BYTES + 5000) // 1000)
    whole = b"".join(gzip_chunks([content]))
    pieces = b"".join(gzip_chunks(content[at : at + 77_777] for at in range(0, len(content), 77_777)))
    assert whole == pieces
    assert gzip.decompress(whole) == content
    assert gzip.decompress(b"".join(gzip_chunks([]))) == b""
