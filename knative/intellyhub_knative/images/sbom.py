"""Bills of materials: which packages an image holds, in which versions (CycloneDX 1.6, JSON).

    python sbom.py --output FILE NAME FOLDER

From what installers leave beside packages (`*.dist-info`); no clock and no random number, so that the same packages
give the same bytes. Standard library only: images are described with it before anything else is in them.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

__all__ = ["MEDIA_TYPE", "installed_in", "make_sbom", "pinned_by"]

MEDIA_TYPE = "application/vnd.cyclonedx+json"
PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^ ;]+)(?:.*--hash=sha256:(?P<hash>[0-9a-f]{64}))?")
Package = Mapping[str, str]
"""`name`, `version`; `license` (an SPDX expression), `hash` (sha256 of the wheel) where they are known."""


def make_sbom(name: str, packages: Iterable[Package], *, version: str = "", base: str = "") -> bytes:
    """The document for an image; `base` names the image below it."""
    rows = {(each["name"], each["version"]): each for each in packages}
    about: dict[str, Any] = {"type": "container", "name": name, "bom-ref": name}
    if version:
        about["version"] = version
    if base:
        about["properties"] = [{"name": "intellyhub:base", "value": base}]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": about},
        "components": [component_of(rows[key]) for key in sorted(rows)],
    }
    return json.dumps(document, sort_keys=True, indent=1).encode() + b"\n"


def component_of(package: Package) -> dict[str, Any]:
    """One package."""
    address = f"pkg:pypi/{package['name']}@{package['version'].replace('+', '%2B')}"
    component: dict[str, Any] = {
        "type": "library",
        "name": package["name"],
        "version": package["version"],
        "purl": address,
        "bom-ref": address,
    }
    if package.get("license"):
        component["licenses"] = [{"expression": package["license"]}]
    if package.get("hash"):
        component["hashes"] = [{"alg": "SHA-256", "content": package["hash"]}]
    return component


def installed_in(folder: Path) -> Iterator[Package]:
    """The packages that installers put anywhere below a folder."""
    for path in sorted(folder.rglob("*.dist-info/METADATA")):
        headers = HeaderParser().parsestr(path.read_text(encoding="utf-8", errors="replace"), headersonly=True)
        name, version, license_id = (headers[key] for key in ("Name", "Version", "License-Expression"))
        if name and version:
            row = {"name": normal(name), "version": str(version)}
            yield {**row, "license": str(license_id)} if license_id else row


def pinned_by(lock: Iterable[str]) -> Iterator[Package]:
    """The packages that the lines of a lock name, `name==version --hash=sha256:...`."""
    for line in lock:
        if match := PIN.match(line):
            row = {"name": normal(match["name"]), "version": match["version"]}
            yield {**row, "hash": match["hash"]} if match["hash"] else row


def normal(name: str) -> str:
    """A package's name in its one spelling (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def main(arguments: list[str]) -> int:
    """Write the document of the packages anywhere below a folder; return the exit code."""
    if len(arguments) != 4 or arguments[0] != "--output":
        print("usage: sbom.py --output FILE NAME FOLDER", file=sys.stderr)  # noqa: T201 - a script
        return 2
    _, output, name, folder = arguments
    Path(output).write_bytes(make_sbom(name, installed_in(Path(folder))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
