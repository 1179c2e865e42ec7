"""Which platform is tried, and as whom. All of it comes from the environment.

| variable | what it says |
|---|---|
| `INTELLYHUB_TEST_CLUSTER` | `1`, with `KUBECONFIG`: a cluster with knative/platform; else one is started here |
| `KUBECONFIG` | how kubectl finds that cluster; the suite looks into it and breaks things on purpose |
| `INTELLYHUB_URL` | where its gateway is reached from here, through its ingress or `kubectl port-forward` |
| `INTELLYHUB_TOKEN` | an admin's token; else the administrator's password is read from the cluster |
| `INTELLYHUB_CONTRACT_OTHER_TOKEN` | an owner's of a second organisation, where registration is closed |
| `INTELLYHUB_CONTRACT_HOST` | this machine's address as pods see it, for feeds, brokers and bots that run here |
| `INTELLYHUB_CONTRACT_SECONDS` | how long what takes a moment may take at most: 300 on a cluster, 20 here |
| `INTELLYHUB_CONTRACT_REPORT` | a file for the report, Markdown |
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from intellyhub_engine.frozen import dataclass

__all__ = ["Place", "PlaceUnclear", "read_place"]

CLUSTER_SECONDS = 300.0
LOCAL_SECONDS = 20.0
LOOPBACK = "127.0.0.1"


class PlaceUnclear(Exception):
    """The environment names a cluster, and not how to reach it."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A platform to try."""

    is_cluster: bool = False
    url: str = ""
    """Without a slash at the end; empty: to be started here."""
    token: str = ""
    other_token: str = ""
    host: str = LOOPBACK
    """Where servers of this machine are reached by flows; empty: they cannot be."""
    seconds: float = LOCAL_SECONDS
    report: Path | None = None


def read_place(environment: Mapping[str, str]) -> Place:
    """What the environment says. Raises `PlaceUnclear`."""
    report = environment.get("INTELLYHUB_CONTRACT_REPORT")
    if environment.get("INTELLYHUB_TEST_CLUSTER") != "1":
        return Place(report=Path(report) if report else None)
    missing = [name for name in ("KUBECONFIG", "INTELLYHUB_URL") if not environment.get(name)]
    if missing:
        raise PlaceUnclear(f"INTELLYHUB_TEST_CLUSTER=1 also needs {' and '.join(missing)}")
    return Place(
        is_cluster=True,
        url=environment["INTELLYHUB_URL"].rstrip("/"),
        token=environment.get("INTELLYHUB_TOKEN", ""),
        other_token=environment.get("INTELLYHUB_CONTRACT_OTHER_TOKEN", ""),
        host=environment.get("INTELLYHUB_CONTRACT_HOST", ""),
        seconds=float(environment.get("INTELLYHUB_CONTRACT_SECONDS") or CLUSTER_SECONDS),
        report=Path(report) if report else None,
    )
