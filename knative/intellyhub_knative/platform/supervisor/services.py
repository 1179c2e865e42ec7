"""The processes of a platform, and the orders in which they start and stop."""

from __future__ import annotations

from intellyhub_engine.frozen import dataclass

__all__ = ["SERVICES", "STOP_ORDER", "Service"]


@dataclass(frozen=True, kw_only=True)
class Service:
    """One process of the platform."""

    name: str
    module: str
    """Started as `python -m <module>`. A name, as some live in rooms that this one does not import."""
    sockets: tuple[str, ...]
    """The listening sockets it is given; `http` is the one TCP port."""
    wave: int
    """Those of one wave start together, when all of the waves before are ready."""
    grace_seconds: float = 10.0
    """Between SIGTERM and SIGKILL."""


SERVICES = (
    Service(name="journal", module="intellyhub_knative.platform.journal", sockets=("journal",), wave=0),
    Service(
        name="activator",
        module="intellyhub_knative.platform.activator",
        sockets=("activator",),
        wave=1,
        grace_seconds=20.0,
    ),
    Service(name="broker", module="intellyhub_knative.platform.broker", sockets=("broker",), wave=1),
    Service(name="sources", module="intellyhub_knative.platform.sources", sockets=("sources",), wave=1),
    Service(name="control", module="intellyhub_control_plane.server", sockets=("control",), wave=1),
    Service(name="gateway", module="intellyhub_knative.platform.gateway", sockets=("http", "gateway"), wave=1),
)

STOP_ORDER = ("gateway", "sources", "broker", "control", "activator", "journal")
"""Those who make work first, the one who keeps the record last."""
