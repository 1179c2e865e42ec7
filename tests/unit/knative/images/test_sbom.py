"""Bills of materials."""

import json

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from intellyhub_knative.images.sbom import installed_in, main, make_sbom, pinned_by

PACKAGES = [
    {"name": "zope", "version": "1.0+local"},
    {"name": "anyio", "version": "4.1", "license": "MIT", "hash": "0" * 64},
]


def test_a_document_keeps_to_the_published_schema():
    document = make_sbom("intellyhub-engine", PACKAGES, version="0.1.0", base="python:3.11")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(document.decode()) is None


def test_the_same_packages_give_the_same_bytes():
    assert make_sbom("x", PACKAGES) == make_sbom("x", [*reversed(PACKAGES), PACKAGES[0]])


def test_packages_are_addressed_as_package_urls():
    first, second = json.loads(make_sbom("x", PACKAGES))["components"]
    assert first["purl"] == "pkg:pypi/anyio@4.1"
    assert first["licenses"] == [{"expression": "MIT"}]
    assert second["purl"] == "pkg:pypi/zope@1.0%2Blocal"


def test_installed_packages_are_found_below_a_folder(tmp_path):
    place = tmp_path / "lib" / "Some_Package-1.2.dist-info"
    place.mkdir(parents=True)
    (place / "METADATA").write_text("Name: Some_Package\nVersion: 1.2\nLicense-Expression: MIT\n\nVersion: 9\n")
    assert list(installed_in(tmp_path)) == [{"name": "some-package", "version": "1.2", "license": "MIT"}]
    assert main(["--output", str(tmp_path / "out"), "x", str(tmp_path)]) == 0
    assert json.loads((tmp_path / "out").read_bytes())["components"][0]["name"] == "some-package"
    assert main([]) == 2


def test_a_lock_says_what_a_layer_holds():
    line = f"Boto_3==1.2 --hash=sha256:{'0' * 64}"
    assert list(pinned_by([line, "# nothing"])) == [{"name": "boto-3", "version": "1.2", "hash": "0" * 64}]
