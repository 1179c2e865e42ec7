"""The variables that say what flows are built on and where images go: of builders, the API, the command line."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["ENGINE", "REGISTRY", "engine_image"]

ENGINE, OLD_ENGINE = "INTELLYHUB_ENGINE_IMAGE", "FSM_EXECUTOR_IMAGE"
REGISTRY = "INTELLYHUB_REGISTRY"


def engine_image(environment: Mapping[str, str]) -> str:
    """The engine image that the environment names, also by its older name; empty: none."""
    return environment.get(ENGINE, "").strip() or environment.get(OLD_ENGINE, "").strip()
