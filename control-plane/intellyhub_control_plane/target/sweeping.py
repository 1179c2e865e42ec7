"""Layers kept in order: those that nobody needs any more go, and with them the scratch folders of installations that
were killed; those that are missing come back."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from intellyhub_control_plane.target.equipment import open_store
from intellyhub_engine.errors import InputInvalid
from intellyhub_knative.platform.deployments import Deployment
from intellyhub_knative.platform.layout import Layout

__all__ = ["mend_layers", "sweep_layers", "sweep_plugins"]

YOUNG_SECONDS = 3600
"""What was made within the last hour may be about to be named somewhere."""
LONGEST_WORK_SECONDS = 3600
SCRATCH = "scratch"


def sweep_layers(layout: Layout, deployments: Iterable[Deployment | None], *, now: float | None = None) -> list[str]:
    """Remove the layers that no tenant has locked and no flow is deployed with, and old scratch; their names."""
    moment = time.time() if now is None else now
    needed = {*locked(layout), *deployed(deployments)}
    found = layout.layers.iterdir() if layout.layers.is_dir() else ()
    gone = [path for path in found if path.name not in needed and age(path, moment) > YOUNG_SECONDS]
    scratch = layout.layers.with_name(SCRATCH)
    old = scratch.iterdir() if scratch.is_dir() else ()
    gone += [path for path in old if age(path, moment) > LONGEST_WORK_SECONDS]
    for path in gone:
        shutil.rmtree(path, ignore_errors=True)
    return [path.name for path in gone]


def sweep_plugins(layout: Layout, deployments: Iterable[Deployment | None]) -> None:
    """Remove the files of plugins that are neither installed nor deployed with."""
    used = [plugin.folder for each in deployments if each is not None for plugin in each.plugins]
    for folder in layout.plugins_of("").glob("*/"):
        with suppress(InputInvalid, OSError):  # an index that cannot be read is told elsewhere, and costs nobody files
            open_store(layout, folder.name).sweep(used)


def mend_layers(layout: Layout) -> list[str]:
    """Install again the layers that tenants have locked and that are not there; what failed, in words."""
    faults = []
    for folder in layout.plugins_of("").glob("*/"):
        try:
            faults += open_store(layout, folder.name).mend()
        except (InputInvalid, OSError, ValueError) as fault:
            faults.append(str(fault))
    return faults


def locked(layout: Layout) -> Iterator[str]:
    """The layers that tenants' plugins and flows are locked to. An index that cannot be read is told elsewhere."""
    for folder in layout.plugins_of("").glob("*/"):
        for name in ("plugins.json", "locks.json"):
            with suppress(OSError, ValueError, AttributeError):
                rows = json.loads((folder / name).read_bytes())
                yield from (str(row["layer"]) for row in rows.values() if row.get("layer"))


def deployed(deployments: Iterable[Deployment | None]) -> Iterator[str]:
    """Those that flows run with."""
    for deployment in deployments:
        if deployment is not None:
            yield from (Path(plugin.layer).name for plugin in deployment.plugins if plugin.layer)
            yield from (Path(folder).name for folder in deployment.layers.values())


def age(path: Path, moment: float) -> float:
    """Seconds since it was made; of what vanishes meanwhile, none."""
    try:
        return moment - path.stat().st_mtime
    except OSError:
        return 0.0
