"""Listeners of plugins: which catalogue a flow has, and the walls that its listener's process gets."""

from __future__ import annotations

import functools
import json
import logging
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from intellyhub_engine.blocks.limits import make_environment
from intellyhub_engine.catalogue.manifest import Catalogue, SourceType
from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.machine.source import Listen, SourceContext
from intellyhub_engine.walls.enclosure import Cell
from intellyhub_functions.plugins.listening.process import Call
from intellyhub_functions.plugins.listening.source import PluginListen
from intellyhub_functions.plugins.tables import InstalledPlugin, make_catalogue
from intellyhub_functions.settings import VARIABLES
from intellyhub_knative.platform.activator.assigning import code_of, user_of
from intellyhub_knative.platform.deployments import Deployment
from intellyhub_knative.platform.layout import Layout

__all__ = ["behind_walls", "find_kind"]

LOG = logging.getLogger(__name__)
INHERITED = ("INTELLYHUB_WALLS", "PYTHONPATH", *VARIABLES)
"""What the process that puts up the walls needs of the environment. A listener sees nothing of it."""
MODULE = "intellyhub_knative.platform.sources.enclosed"


@functools.lru_cache(maxsize=256)
def catalogue_of(plugins: tuple[InstalledPlugin, ...]) -> Catalogue:
    """What flows with these plugins can name. A plugin's folder never changes."""
    return make_catalogue(plugins)


def find_kind(flow: Deployment, built_in: Catalogue) -> SourceType | None:
    """The type of a flow's listener, built in or of one of its plugins; None where nobody brings it."""
    catalogue = catalogue_of(flow.plugins) if flow.plugins else built_in
    try:
        return catalogue.sources.get(str((flow.listener or {}).get("type")))
    except InputInvalid as fault:
        LOG.error("nobody listens for %s/%s: %s", flow.tenant_slug, flow.slug, fault)  # noqa: TRY400 - in words
        return None


def behind_walls(listen: Listen, flow: Deployment, layout: Layout) -> Listen:
    """A plugin's listener as it runs on a platform: in its tenant's cell. Others are code of ours."""
    if not isinstance(listen, PluginListen):
        return listen

    def command(descriptor: int, plugin: InstalledPlugin, context: SourceContext) -> Call:
        told = {"descriptor": descriptor, "data": str(layout.data), "cell": make_cell(flow, layout)}
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        environment = make_environment(context.workspace) | inherited
        return Call([sys.executable, "-m", MODULE, json.dumps(told)], environment)

    return replace(listen, command=command)


def make_cell(flow: Deployment, layout: Layout) -> Mapping[str, Any]:
    """What a listener may reach, as JSON: its tenant's workspace, and its plugins' code."""
    workspace = layout.workspace_of(flow.tenant_id)
    cell = asdict(Cell(user=user_of(flow.tenant_id), workspace=workspace))
    return {
        **cell,
        "workspace": str(workspace),
        "readable": [str(path) for path in code_of(flow) if Path(path).exists()],
    }
