"""The engine image without Docker: packages, engine and functions of this installation as one layer on any image with
the same Python. For machines without a daemon, and where nothing can be fetched; `engine/Dockerfile` makes the same.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from intellyhub_knative.images.errors import BaseUnusable
from intellyhub_knative.images.flow_image import ENGINE, EPOCH, PYTHON
from intellyhub_knative.images.image import Image, Layer, add_layer
from intellyhub_knative.images.patience import ALONE, Watch
from intellyhub_knative.images.plugin_layers import with_bytecode
from intellyhub_knative.images.sbom import make_sbom
from intellyhub_knative.images.source import this_platform
from intellyhub_knative.images.store import Store
from intellyhub_knative.images.tree import Entry, entries_of_folder

__all__ = ["ENVIRONMENT", "constraints", "engine_distributions", "make_engine_image", "make_engine_layer"]

ROOTS = ("intellyhub-engine[framework]", "intellyhub-functions")
OURS = ("intellyhub_engine", "intellyhub", "intellyhub_functions")
HOME = "worker"
PACKAGES = f"{HOME}/packages"
SBOM = f"{HOME}/sbom.cdx.json"
LEFT_OUT = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
"""What says where and how a package was installed here."""
SCRIPTS = ("functions-framework",)
ENVIRONMENT = {
    "PATH": "/worker/packages/bin:/usr/local/bin:/usr/bin:/bin",
    "PYTHONPATH": "/worker/packages",
    "PYTHONSAFEPATH": "1",
    "PYTHONUNBUFFERED": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "HOME": "/tmp",  # noqa: S108 - the one folder of a pod that can be written
    "PORT": "8080",
    "INTELLYHUB_FLOW": "/flow/flow.yaml",
    "INTELLYHUB_WORKSPACE": "/tmp/workspace",  # noqa: S108
    "INTELLYHUB_CATALOGUE": "intellyhub_functions.catalogue:CATALOGUE",
}
"""The same as in engine/Dockerfile, which a test compares."""
COMMAND = ["python", "-m", "intellyhub_engine.serving"]
USER = "65532:65532"


def make_engine_image(base: Image, layer: Layer, *, created: str = EPOCH) -> Image:
    """The engine image on some image with a `python` of this version. Raises `BaseUnusable`. Pure."""
    found = "/".join((base.platform.get("os", ""), base.platform.get("architecture", "")))
    if found != this_platform():
        raise BaseUnusable(f"the base is for {found}; packages of this installation are for {this_platform()}")
    settings: dict[str, Any] = {key: value for key, value in base.settings.items() if key != "Entrypoint"}
    settings |= {
        "Env": [f"{name}={value}" for name, value in {**base.environment, **ENVIRONMENT}.items()],
        "Cmd": COMMAND,
        "User": USER,
        "WorkingDir": "/tmp",  # noqa: S108
        "ExposedPorts": {"8080/tcp": {}},
        "StopSignal": "SIGTERM",
        "Labels": {
            **base.labels,
            "org.opencontainers.image.title": "IntellyHub worker",
            PYTHON: platform.python_version(),
            ENGINE: importlib.metadata.version("intellyhub-engine"),
        },
    }
    image = replace(base, config={**base.config, "created": created, "config": settings})
    return replace(add_layer(image, layer, created), sbom=make_engine_sbom())


def make_engine_layer(store: Store, *, watch: Watch = ALONE) -> Layer:
    """Everything that `/worker` holds. Made once per installation: the key is of versions, and of the files of our own
    packages. Raises OSError."""
    key = " ".join(("engine", platform.python_version(), this_platform(), *constraints(), *stamps()))
    layer, cached = store.layer(key, engine_entries, created_by="engine", watch=watch)
    watch.progress(f"engine: {layer.blob.size:,} bytes{', from the cache' if cached else ''}")
    return layer


def engine_entries() -> Iterator[Entry]:
    """Files of the packages, of ours, and the bill of materials."""
    return with_bytecode(every_file())


def every_file() -> Iterator[Entry]:
    """As they are installed here."""
    for distribution in engine_distributions():
        if not is_ours(distribution):
            yield from files_of(distribution)
    for name in OURS:
        folder = folder_of(name)
        yield from (entry for entry in entries_of_folder(folder, f"{PACKAGES}/{name}") if not is_test(entry.path))
    beside = folder_of("intellyhub_engine").with_name("main.py")
    if beside.is_file():  # not in installations from wheels: it is for functions-framework alone
        yield Entry(path=f"{HOME}/main.py", content=beside)
    yield from map(make_script, SCRIPTS)
    yield Entry(path=SBOM, content=make_engine_sbom())


def make_script(name: str) -> Entry:
    """What pip would put into `bin`."""
    module = name.replace("-", "_")
    content = (
        f"#!/usr/bin/env python\nimport runpy\n\nrunpy.run_module({module!r}, run_name='__main__', alter_sys=True)\n"
    )
    return Entry(path=f"{PACKAGES}/bin/{name}", content=content.encode(), executable=True)


def files_of(distribution: importlib.metadata.Distribution) -> Iterator[Entry]:
    """A package's files, without what installing it left behind."""
    for file in distribution.files or ():
        parts = file.parts
        compiled = "__pycache__" in parts or file.suffix == ".pyc"
        if ".." in parts or compiled or (parts[0].endswith(".dist-info") and file.name in LEFT_OUT):
            continue
        path = Path(str(distribution.locate_file(file)))
        if path.is_file():
            yield Entry(path=f"{PACKAGES}/{file.as_posix()}", content=path)


def engine_distributions() -> list[importlib.metadata.Distribution]:
    """What an engine image holds: our two packages and everything that they ask for, by name."""
    found: dict[str, importlib.metadata.Distribution] = {}
    seen: set[str] = set()
    wanted = list(ROOTS)
    for text in wanted:  # it grows meanwhile
        requirement = Requirement(text)
        extras = requirement.extras or {""}
        if text in seen:
            continue
        seen.add(text)
        distribution = importlib.metadata.distribution(requirement.name)
        found[canonicalize_name(requirement.name)] = distribution
        for line in distribution.requires or ():
            inner = Requirement(line)
            if inner.marker is None or any(inner.marker.evaluate({"extra": extra}) for extra in (*extras, "")):
                wanted.append(f"{inner.name}[{','.join(sorted(inner.extras))}]" if inner.extras else inner.name)
    return [found[name] for name in sorted(found)]


def constraints() -> tuple[str, ...]:
    """`name==version` of the packages that are in an engine image: what a build adds must agree with them."""
    others = (each for each in engine_distributions() if not is_ours(each))
    return tuple(sorted(f"{canonicalize_name(each.name)}=={each.version}" for each in others))


def make_engine_sbom() -> bytes:
    """The bill of materials of an engine image."""
    packages = []
    for each in engine_distributions():
        row = {"name": str(canonicalize_name(each.name)), "version": each.version}
        license_id = each.metadata["License-Expression"]
        packages.append({**row, "license": str(license_id)} if license_id else row)
    return make_sbom("intellyhub-engine", packages, version=importlib.metadata.version("intellyhub-engine"))


def stamps() -> Sequence[str]:
    """What tells one state of our own packages from another: names, sizes and times of their files."""
    found = []
    for name in OURS:
        for path in sorted(folder_of(name).rglob("*")):
            if "__pycache__" not in path.parts and path.is_file():
                facts = path.stat()
                found.append(f"{name}/{path.name}:{facts.st_size}:{facts.st_mtime_ns}")
    return found


def folder_of(name: str) -> Path:
    """Where a package of ours is installed."""
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(next(iter(spec.submodule_search_locations)))


def is_ours(distribution: importlib.metadata.Distribution) -> bool:
    return canonicalize_name(distribution.name).startswith("intellyhub-")


def is_test(path: str) -> bool:
    return path.rpartition("/")[2].startswith(("test_", "conftest.py"))
