"""What the control plane is told by its environment. Read once; every bad variable is named at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from intellyhub_control_plane.errors import SettingsInvalid
from intellyhub_engine.frozen import dataclass
from intellyhub_engine.serving.readers import host_and_port, web_address
from intellyhub_knative.builds.variables import engine_image

__all__ = ["Registration", "Settings", "Target", "read_settings"]

Value = TypeVar("Value")
MIN_PASSWORD = 8
"""Characters, as for everyone who registers."""
AS_WRITTEN = frozenset(("INTELLYHUB_ADMIN_PASSWORD",))


class Registration(StrEnum):
    """Who may make an account."""

    OPEN = "open"  # everyone who reaches the platform
    CLOSED = "closed"  # the administrator only


class Target(StrEnum):
    """Where flows run."""

    LOCAL = "local"  # on this machine
    KNATIVE = "knative"  # on a cluster, through PostgreSQL and the reconciler


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of one control plane. docs/api.md lists the variables."""

    database_url: str = ""
    """`DATABASE_URL`: SQLAlchemy's address of a PostgreSQL; empty is SQLite in the data folder. Holds a password."""
    registration: Registration = Registration.OPEN
    """`INTELLYHUB_REGISTRATION`: `open` or `closed`. `intellyhub up` closes it when it listens beyond this machine."""
    access_token_hours: float = 4.0
    """`JWT_ACCESS_TOKEN_EXPIRES_HOURS`: how long a login holds, in hours."""
    public_url: str = ""
    """`INTELLYHUB_PUBLIC_URL`: how the platform is reached from outside; empty: as the request reached it."""
    admin_email: str = "admin@localhost"
    """`INTELLYHUB_ADMIN_EMAIL`: the administrator made at the first start."""
    admin_password: str = ""
    """`INTELLYHUB_ADMIN_PASSWORD`: the administrator's; empty: made up and printed once."""
    max_pods: int = 10
    """`INTELLYHUB_MAX_PODS`: workers at a time that a new tenant may have."""
    max_flows: int = 1000
    """`INTELLYHUB_MAX_FLOWS`: flows that a new tenant may have."""
    idle_seconds: float = 30.0
    """`INTELLYHUB_IDLE_SECONDS`: how long a worker stays awake without a request, in seconds."""
    timeout_seconds: float = 300.0
    """`INTELLYHUB_TIMEOUT_SECONDS`: how long a request to a flow may take before its worker counts as hung."""
    console: Path | None = None
    """`INTELLYHUB_CONSOLE_DIR`: the console's built files; unset: `frontend/dist` of the checkout."""
    plugin_repository: str = ""
    """`INTELLYHUB_PLUGIN_REPOSITORY`: a git repository of plugins that every tenant's search looks into."""
    processes: int = 2
    """`INTELLYHUB_CONTROL_PROCESSES`: processes that answer requests."""
    threads: int = 8
    """`INTELLYHUB_CONTROL_THREADS`: requests at a time in each."""
    listen: tuple[str, int] | None = None
    """`INTELLYHUB_CONTROL_LISTEN`: `HOST:PORT` to serve on instead of the unix socket, as on a cluster."""
    engine_image: str = ""
    """`INTELLYHUB_ENGINE_IMAGE` (or `FSM_EXECUTOR_IMAGE`): what images of flows are built on; another one makes new
    images of all flows."""
    inside_repositories: bool = True
    """`INTELLYHUB_INSIDE_REPOSITORIES`: whether git repositories may be connected whose address is loopback or private;
    `true` on one machine, `false` on a cluster."""
    target: Target = Target.LOCAL
    """`INTELLYHUB_TARGET`: `local` or `knative`. On a cluster `DATABASE_URL` names the PostgreSQL that all share."""

    cluster_gateway: tuple[str, int] | None = None
    """`INTELLYHUB_CLUSTER_GATEWAY`: `HOST:PORT` of the cluster's internal gateway, for a process outside of it:
    flows are reached there by their host names."""

    def __repr__(self) -> str:
        return f"Settings(registration={self.registration.value}, max_pods={self.max_pods})"


def read_settings(environment: Mapping[str, str]) -> Settings:
    """The settings, from the environment; empty means unset. Raises `SettingsInvalid`."""
    faults: list[str] = []
    standard = Settings()

    def read(name: str, default: Value, convert: Callable[[str], Value], expected: str) -> Value:
        text = environment.get(name, "")
        if not text.strip():
            return default
        try:
            return convert(text if name in AS_WRITTEN else text.strip())
        except ValueError:
            faults.append(f"{name} is not {expected}")
            return default

    settings = Settings(
        database_url=read("DATABASE_URL", "", database_url, "the address of a PostgreSQL or SQLite database"),
        registration=read("INTELLYHUB_REGISTRATION", standard.registration, Registration, "open or closed"),
        access_token_hours=read(
            "JWT_ACCESS_TOKEN_EXPIRES_HOURS",
            standard.access_token_hours,
            hours,
            "a number of hours, above 0, 720 at most",
        ),
        public_url=read("INTELLYHUB_PUBLIC_URL", "", web_address, "an address such as https://flows.example.org"),
        admin_email=read("INTELLYHUB_ADMIN_EMAIL", standard.admin_email, email, "an e-mail address"),
        admin_password=read("INTELLYHUB_ADMIN_PASSWORD", "", password, "a password of at least 8 characters"),
        max_pods=read("INTELLYHUB_MAX_PODS", standard.max_pods, count, "a whole number from 1 on"),
        max_flows=read("INTELLYHUB_MAX_FLOWS", standard.max_flows, count, "a whole number from 1 on"),
        idle_seconds=read("INTELLYHUB_IDLE_SECONDS", standard.idle_seconds, seconds, "a number of seconds above 0"),
        timeout_seconds=read(
            "INTELLYHUB_TIMEOUT_SECONDS", standard.timeout_seconds, seconds, "a number of seconds above 0"
        ),
        console=read("INTELLYHUB_CONSOLE_DIR", None, Path, "a folder"),
        plugin_repository=read(
            "INTELLYHUB_PLUGIN_REPOSITORY", "", repository, "a git repository such as git+https://host/plugins.git"
        ),
        processes=read("INTELLYHUB_CONTROL_PROCESSES", standard.processes, count, "a whole number from 1 on"),
        threads=read("INTELLYHUB_CONTROL_THREADS", standard.threads, count, "a whole number from 1 on"),
        target=read("INTELLYHUB_TARGET", standard.target, Target, "local or knative"),
        engine_image=engine_image(environment),
        inside_repositories=read("INTELLYHUB_INSIDE_REPOSITORIES", True, yes_or_no, "true or false"),
        cluster_gateway=read("INTELLYHUB_CLUSTER_GATEWAY", None, host_and_port, "an address such as 127.0.0.1:8081"),
        listen=read("INTELLYHUB_CONTROL_LISTEN", None, host_and_port, "an address such as 0.0.0.0:8080"),
    )
    if settings.target is Target.KNATIVE and not environment.get("INTELLYHUB_INSIDE_REPOSITORIES", "").strip():
        settings = replace(settings, inside_repositories=False)
    if settings.target is Target.KNATIVE and not settings.database_url.startswith("postgresql"):
        faults.append("DATABASE_URL is not the address of a PostgreSQL, which INTELLYHUB_TARGET=knative needs")
    if faults:
        raise SettingsInvalid(faults)
    return settings


def database_url(text: str) -> str:
    """With the driver that is installed; `postgres://` is an older way to write it."""
    scheme, mark, rest = text.partition("://")
    schemes = {"postgres": "postgresql+psycopg2", "postgresql": "postgresql+psycopg2", "sqlite": "sqlite"}
    known = {**schemes, **{value: value for value in schemes.values()}}
    if not mark or scheme not in known:
        raise ValueError(scheme)
    return f"{known[scheme]}://{rest}"


def hours(text: str) -> float:
    value = float(text)
    if not 0 < value <= 720:
        raise ValueError(text)
    return value


def seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise ValueError(text)
    return value


def count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError(text)
    return value


def yes_or_no(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"


def repository(text: str) -> str:
    if not text.startswith("git+"):
        raise ValueError(text)
    return text


def password(text: str) -> str:
    if len(text) < MIN_PASSWORD:
        raise ValueError(len(text))
    return text


def email(text: str) -> str:
    name, mark, host = text.partition("@")
    if not (name and mark and host) or " " in text:
        raise ValueError(text)
    return text.lower()
