"""Names of images and destinations."""

from pathlib import Path

import pytest

from intellyhub_knative.images.destination import Archive, Folder, parse
from intellyhub_knative.images.errors import ReferenceInvalid
from intellyhub_knative.images.reference import Reference, parse_reference

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("text", "registry", "repository", "tag", "digest"),
    [
        ("registry.example/team/flow:1.0", "registry.example", "team/flow", "1.0", ""),
        ("localhost:5000/flow", "localhost:5000", "flow", "latest", ""),
        ("localhost/flow", "localhost", "flow", "latest", ""),
        ("[::1]:5000/flow:1", "[::1]:5000", "flow", "1", ""),
        (f"registry.example/flow@{DIGEST}", "registry.example", "flow", "", DIGEST),
        (f"registry.example:5000/a/b:1@{DIGEST}", "registry.example:5000", "a/b", "1", DIGEST),
        ("python:3.11-slim", "docker.io", "library/python", "3.11-slim", ""),
        ("team/flow", "docker.io", "team/flow", "latest", ""),
        ("docker.io/python", "docker.io", "library/python", "latest", ""),
    ],
)
def test_a_name_is_read_as_docker_reads_it(text, registry, repository, tag, digest):
    expected = Reference(registry=registry, repository=repository, tag=tag, digest=digest)
    assert parse_reference(text) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("registry.example/Team/flow", "no repository"),
        ("registry.example/", "no repository"),
        ("", "no repository"),
        ("registry.example/../flow", "no repository"),
        ("registry.example/a//b", "no repository"),
        ("registry.example/flow:", "no tag"),
        ("registry.example/flow:-a", "no tag"),
        ("registry.example\n/flow", "no registry"),
        ("registry.example/flow\n:1", "no repository"),
        (f"registry.example/flow:1\n@{DIGEST}", "no tag"),
        ("registry.example/flow@sha256:12", "no digest"),
        ("registry.example/flow@", "no digest"),
        ("reg_istry.example/flow", "no registry"),
        ("user@registry.example/flow", "no digest"),
        ("registry.example:123456/flow", "no registry"),
        ("registry.example/" + "a" * 250, "255 characters"),
    ],
)
def test_what_cannot_stand_where_is_said(text, says):
    with pytest.raises(ReferenceInvalid, match=says):
        parse_reference(text)


def test_a_destination_is_a_registry_a_folder_or_a_file():
    assert parse("oci:images") == Folder(path=Path("images"), tag="")
    assert parse("oci:/a:b/images:1.0") == Folder(path=Path("/a:b/images"), tag="1.0")
    assert parse("tar:a.tar", name="flow:1") == Archive(path=Path("a.tar"), name="flow:1")
    assert str(parse("registry.example/flow")) == "registry.example/flow:latest"


@pytest.mark.parametrize("text", ["tar:", f"registry.example/flow@{DIGEST}", "oci:images:a b"])
def test_a_destination_that_cannot_be_is_refused(text):
    with pytest.raises(ReferenceInvalid):
        parse(text)
