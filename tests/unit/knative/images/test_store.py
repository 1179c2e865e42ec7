"""The cache of blobs and layers."""

import io
import os
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from intellyhub_knative.images.blob import Blob, blob_of
from intellyhub_knative.images.errors import BuildCancelled, ContentDamaged
from intellyhub_knative.images.patience import Watch
from intellyhub_knative.images.store import Store, make_layer
from intellyhub_knative.images.tree import Entry


@pytest.fixture
def store(tmp_path):
    return Store(folder=tmp_path / "store")


def files(store):
    return sorted(path.name for path in (store.folder / "blobs" / "sha256").glob("*"))


def test_a_blob_is_read_once_and_then_from_here(store):
    opened = []

    def read():
        opened.append(1)
        return io.BytesIO(b"content")

    blob = blob_of(b"content", "text/plain")
    remote = store.lazily(Blob(media_type="text/plain", digest=blob.digest, size=blob.size, open=read))
    assert not opened
    assert remote.read() == remote.read() == b"content"
    assert len(opened) == 1


def test_damaged_bytes_do_not_come_in(store):
    good = blob_of(b"content", "text/plain")
    for content in (b"c0ntent", b"conten", b"content and more"):
        with pytest.raises(ContentDamaged):
            store.keep(replace(good, open=partial(io.BytesIO, content)))
        assert files(store) == []


def test_a_layer_is_made_once_for_a_key_and_anew_when_it_was_trimmed(store):
    made = []

    def entries():
        made.append(1)
        return [Entry(path="a", content=b"1")]

    first, cached = store.layer("key", entries, created_by="x")
    assert not cached
    again, cached = store.layer("key", entries, created_by="x")
    assert cached
    assert again == first == make_layer(entries(), created_by="x")
    store.trim(0)
    _, cached = store.layer("key", entries, created_by="x")
    assert not cached
    assert len(made) == 3


def test_what_another_process_trims_meanwhile_is_no_fault(store, monkeypatch):
    going, staying = (store.keep(blob_of(content, "x")) for content in (b"1", b"2"))
    stat = Path.stat

    def stat_and_trim(path, **options):
        facts = stat(path, **options)
        if path == store.path(going.digest):
            path.unlink()
        return facts

    monkeypatch.setattr(Path, "stat", stat_and_trim)
    store.trim(2)
    assert store.find(staying.digest, "x", 1) == staying


def test_what_only_looks_like_a_digest_names_no_file(store):
    for text in ("sha256:" + "0" * 64 + "\n", "sha256:../x", "sha512:" + "0" * 128):
        with pytest.raises(ContentDamaged, match="no digest"):
            store.path(text)


def test_a_damaged_memo_is_as_good_as_none(store):
    store.layer("key", lambda: [Entry(path="a")], created_by="x")
    (memo,) = (store.folder / "layers").iterdir()
    for text in ("", "[]", '{"digest": "../../x", "size": 1, "diff_id": "y"}'):
        memo.write_text(text)
        _, cached = store.layer("key", lambda: [Entry(path="a")], created_by="x")
        assert not cached


def test_what_was_not_used_for_longest_goes_first(store):
    blobs = [store.keep(blob_of(bytes([number]) * 100, "x")) for number in range(3)]
    for age, blob in zip((1, 3, 2), blobs, strict=True):
        path = store.path(blob.digest)
        os.utime(path, (path.stat().st_mtime - age * 100,) * 2)
    assert store.trim(200) == 100
    assert [store.find(blob.digest, "x", 100) is not None for blob in blobs] == [True, False, True]


def test_a_layer_that_is_no_longer_wanted_leaves_nothing(store):
    with pytest.raises(BuildCancelled):
        store.layer("key", lambda: [Entry(path="a", content=b"1")], created_by="x", watch=Watch(cancelled=lambda: True))
    assert files(store) == []


@pytest.mark.parametrize("digest", ["", "sha256:../../etc", "sha512:" + "0" * 128, "sha256:" + "0" * 63, None])
def test_names_of_files_are_made_of_digests_only(store, digest):
    with pytest.raises(ContentDamaged):
        store.path(digest)
