"""Images in folders and archives, and reading them back."""

import json
import tarfile

import pytest

from intellyhub_knative.images.blob import blob_of, compact
from intellyhub_knative.images.destination import Archive, Folder, push
from intellyhub_knative.images.errors import BaseUnusable, ContentDamaged, ReferenceInvalid
from intellyhub_knative.images.image import INDEX, MANIFEST
from intellyhub_knative.images.source import open_base, this_platform
from intellyhub_knative.images.store import Store
from tests.unit.knative.images.house import an_image


@pytest.fixture
def store(tmp_path):
    return Store(folder=tmp_path / "store")


def content_of(image):
    return [layer.blob.read() for layer in image.layers]


def test_a_folder_keeps_images_apart_by_their_tags(tmp_path, store):
    folder = tmp_path / "images"
    first, second = an_image(b"1"), an_image(b"2")
    for image, tag in ((first, "a"), (second, "b"), (first, "b"), (second, "c"), (second, "c")):
        assert push(image, Folder(path=folder, tag=tag)) == f"oci:{folder}@{image.digest}"
    for tag, image in (("a", first), ("b", first), ("c", second)):
        assert content_of(open_base(f"oci:{folder}:{tag}", store=store)) == content_of(image)
    assert len(json.loads((folder / "index.json").read_bytes())["manifests"]) == 3
    with pytest.raises(BaseUnusable, match="name one of them: a, b, c"):
        open_base(f"oci:{folder}", store=store)
    with pytest.raises(BaseUnusable, match="no image with the tag d"):
        open_base(f"oci:{folder}:d", store=store)


def test_a_folder_with_one_image_needs_no_tag(tmp_path, store):
    image = an_image(b"1", Cmd=["a"])
    push(image, Folder(path=tmp_path / "images", tag=""))
    found = open_base(f"oci:{tmp_path}/images", store=store)
    assert found.settings["Cmd"] == ["a"]
    assert found.annotations["org.opencontainers.image.base.digest"] == image.digest


def test_nothing_is_written_into_a_folder_that_holds_something_else(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ReferenceInvalid, match="neither empty nor an OCI image layout"):
        push(an_image(), Folder(path=tmp_path, tag=""))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def document(archive, name):
    file = archive.extractfile(name)
    assert file is not None
    return json.load(file)


def test_an_archive_is_a_layout_and_what_docker_load_reads(tmp_path, store):
    image = an_image(b"1", b"2")
    push(image, Archive(path=tmp_path / "a.tar", name="team/flow:1"))
    with tarfile.open(tmp_path / "a.tar") as archive:
        names = archive.getnames()
        (for_docker,) = document(archive, "manifest.json")
        assert {*for_docker["Layers"], for_docker["Config"]} < set(names)
        assert for_docker["RepoTags"] == ["team/flow:1"]
        assert document(archive, "oci-layout") == {"imageLayoutVersion": "1.0.0"}
        (row,) = document(archive, "index.json")["manifests"]
        assert row["annotations"]["org.opencontainers.image.ref.name"] == "1"
        assert {member.mtime for member in archive.getmembers()} == {0}
    assert content_of(open_base(f"tar:{tmp_path}/a.tar", store=store)) == content_of(image)


def test_a_layer_that_is_damaged_leaves_no_archive(tmp_path, store):
    push(an_image(b"1"), Folder(path=tmp_path / "images", tag=""))
    image = open_base(f"oci:{tmp_path}/images", store=store)
    path = tmp_path / "images" / "blobs" / "sha256" / image.layers[0].blob.digest.removeprefix("sha256:")
    path.write_bytes(b"x" * path.stat().st_size)
    with pytest.raises(ContentDamaged):
        push(image, Archive(path=tmp_path / "a.tar", name=""))
    assert not [each for each in tmp_path.iterdir() if ".tar" in each.name]


@pytest.mark.parametrize("text", ["oci:nowhere", "tar:nowhere.tar"])
def test_what_is_not_there_is_said_so(text, store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BaseUnusable):
        open_base(text, store=store)


def test_the_image_of_the_wanted_platform_is_taken(tmp_path, store):
    folder = tmp_path / "images"
    rows = []
    for platform in ("linux/other", this_platform(), "windows/amd64"):
        image = an_image(platform.encode(), platform=platform)
        push(image, Folder(path=folder, tag="x"))
        rows.append({**image.manifest_blob.descriptor, "platform": image.platform})
    inner = blob_of(compact({"schemaVersion": 2, "mediaType": INDEX, "manifests": rows}), INDEX)
    Store(folder=folder).keep(inner)
    (folder / "index.json").write_bytes(compact({"schemaVersion": 2, "manifests": [inner.descriptor]}))
    assert open_base(f"oci:{folder}", store=store).platform["architecture"] == this_platform().split("/")[1]
    assert open_base(f"oci:{folder}", store=store, platform="linux/other").platform["architecture"] == "other"
    with pytest.raises(BaseUnusable, match=r"not there for linux/none; it is for .*linux/other"):
        open_base(f"oci:{folder}", store=store, platform="linux/none")


def written(folder, manifest):
    """A folder with this manifest, whatever it says."""
    blob = blob_of(manifest if isinstance(manifest, bytes) else compact(manifest), MANIFEST)
    Store(folder=folder).keep(blob)
    (folder / "index.json").write_bytes(compact({"schemaVersion": 2, "manifests": [blob.descriptor]}))
    return f"oci:{folder}"


CONFIG = {"digest": "sha256:" + "0" * 64, "size": 2, "mediaType": "x"}


@pytest.mark.parametrize(
    "manifest",
    [
        b"{",
        b"[]",
        {"layers": []},
        {"config": {**CONFIG, "digest": "../../etc/passwd"}, "layers": []},
        {"config": {**CONFIG, "size": -1}, "layers": []},
        {"config": {**CONFIG, "size": 1 << 40}, "layers": []},
        {"config": "x", "layers": []},
    ],
)
def test_a_manifest_that_cannot_be_is_refused(manifest, tmp_path, store):
    with pytest.raises((BaseUnusable, ContentDamaged)):
        open_base(written(tmp_path / "images", manifest), store=store)


def test_a_layer_of_an_unknown_kind_is_refused_and_one_of_dockers_is_not(tmp_path, store):
    folder = tmp_path / "images"
    image = an_image(b"1")
    push(image, Folder(path=folder, tag=""))
    document = json.loads(image.manifest_blob.read())
    document["layers"][0]["mediaType"] = "application/vnd.docker.image.rootfs.diff.tar.gzip"
    found = open_base(written(folder, document), store=store)
    assert content_of(found) == content_of(image)
    assert found.layers[0].blob.media_type.startswith("application/vnd.oci")
    document["layers"][0]["mediaType"] = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
    with pytest.raises(BaseUnusable, match="not supported"):
        open_base(written(folder, document), store=store)


def test_indexes_that_name_each_other_come_to_an_end(tmp_path, store):
    folder = tmp_path / "images"
    inner = blob_of(compact({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}), INDEX)
    for _ in range(5):
        row = {**inner.descriptor, "platform": {"os": "linux", "architecture": this_platform().split("/")[1]}}
        inner = blob_of(compact({"schemaVersion": 2, "mediaType": INDEX, "manifests": [row]}), INDEX)
        Store(folder=folder).keep(inner)
    (folder / "index.json").write_bytes(inner.read())
    with pytest.raises(BaseUnusable, match="name each other"):
        open_base(f"oci:{folder}", store=store)
