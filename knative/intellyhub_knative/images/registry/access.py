"""How registries are reached and who we are there: Docker's configuration, plain registries, own authorities."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import Any

from intellyhub_engine.frozen import dataclass
from intellyhub_knative.images.errors import CredentialsUnusable, ReferenceInvalid
from intellyhub_knative.images.reference import DOCKER_HUB

__all__ = ["ANONYMOUS", "Access", "Credentials", "read_access", "read_docker_config"]

MOST_BYTES = 1 << 20
VARIABLE = "INTELLYHUB_REGISTRY_CREDENTIALS"
HOSTS = "INTELLYHUB_REGISTRY_HOSTS"
PAIR = re.compile(r"[\w.\[\]-]+(:[\w.\[\]-]+)*=[\w.\[\]-]+(:[\w.\[\]-]+)*", re.ASCII)
HUB_KEYS = ("https://index.docker.io/v1/", "index.docker.io", "registry-1.docker.io", DOCKER_HUB)


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """Who we are at one registry."""

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    """A refresh token (OAuth 2.0), in place of both."""

    @property
    def basic(self) -> str:
        """The value of an `Authorization` header."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


@dataclass(frozen=True, kw_only=True)
class Access:
    """What is known of registries, by host as references have it."""

    credentials: Mapping[str, Credentials] = field(default_factory=dict, repr=False)
    plain: frozenset[str] = frozenset()
    """Hosts (with their port) that are spoken to without TLS. Those of this machine always are."""
    encrypted: frozenset[str] = frozenset()
    """Those of this machine that have TLS all the same."""
    hosts: Mapping[str, str] = field(default_factory=dict)
    """Name -> host and port to connect to, where that is another than for whoever pulls what is pushed."""
    ca_file: str = ""
    """Authorities (PEM) that are trusted instead of the system's; empty: the system's."""
    left_to_programs: Mapping[str, str] = field(default_factory=dict)
    """Host -> the file that leaves its credentials to a program."""

    def address(self, registry: str) -> str:
        """Where a registry answers: scheme, host, port. Its name decides whether it has TLS, wherever it is reached."""
        plain = registry in self.plain or (is_this_machine(registry) and registry not in self.encrypted)
        place = self.hosts.get(registry, "registry-1.docker.io" if registry == DOCKER_HUB else registry)
        return f"{'http' if plain else 'https'}://{place}"

    def who(self, registry: str) -> Credentials | None:
        """Our credentials there; None: we have none. Raises `CredentialsUnusable` where a program would have to be
        asked: none is started because a file names it."""
        if registry in self.left_to_programs:
            raise CredentialsUnusable(
                f"{self.left_to_programs[registry]} leaves the credentials of {registry} to a program (credHelpers,"
                " credsStore), and none is run here: name a folder in DOCKER_CONFIG whose config.json has them under"
                " auths"
            )
        return self.credentials.get(registry)


ANONYMOUS = Access()
"""Public registries, and those of this machine."""


def is_this_machine(registry: str) -> bool:
    """Whether a host is loopback: there is nobody between, and such registries have no certificate."""
    host = registry.partition("]")[0].lstrip("[") if registry.startswith("[") else registry.partition(":")[0]
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def read_access(environment: Mapping[str, str]) -> Access:
    """From the environment: `INTELLYHUB_REGISTRY_CREDENTIALS`, the content of a `config.json` of Docker's; else that in
    the folder `DOCKER_CONFIG`, by default `~/.docker`. `INTELLYHUB_PLAIN_REGISTRIES`: hosts, separated by commas.
    `INTELLYHUB_REGISTRY_HOSTS`: `NAME=HOST:PORT`, separated by commas. `INTELLYHUB_REGISTRY_CA`: a PEM file. Raises
    `CredentialsUnusable`, `ReferenceInvalid`."""
    given, named = environment.get(VARIABLE), environment.get("DOCKER_CONFIG")
    folder = Path(named) if named else Path(environment.get("HOME") or "/") / ".docker"
    plain = (host.strip() for host in environment.get("INTELLYHUB_PLAIN_REGISTRIES", "").split(","))
    return replace(
        make_access(given.encode(), VARIABLE) if given else read_docker_config(folder / "config.json"),
        plain=frozenset(filter(None, plain)),
        hosts=read_hosts(environment.get(HOSTS, "")),
        ca_file=environment.get("INTELLYHUB_REGISTRY_CA", ""),
    )


def read_hosts(text: str) -> dict[str, str]:
    """`NAME=HOST:PORT, ...`; a port may be left out. Raises `ReferenceInvalid`."""
    pairs = [pair.strip() for pair in text.split(",") if pair.strip()]
    for pair in pairs:
        if not PAIR.fullmatch(pair):
            raise ReferenceInvalid(
                f"{HOSTS} has {pair[:200]!r}: it takes NAME=HOST:PORT, such as localhost:30500=registry.example:5000"
            )
    return dict(pair.split("=") for pair in pairs)


def read_docker_config(path: Path) -> Access:
    """What a `config.json` says, as `docker login` writes it and as Kubernetes mounts a pull secret; nothing where
    there is no file. Raises `CredentialsUnusable`."""
    try:
        with path.open("rb") as file:
            return make_access(file.read(MOST_BYTES), str(path))
    except FileNotFoundError:
        return ANONYMOUS
    except OSError as fault:
        raise CredentialsUnusable(f"{path} cannot be read: {fault.strerror}") from fault


def make_access(content: bytes, origin: str) -> Access:
    """What such a file says; messages name its origin, and nothing of its content."""
    try:
        document = json.loads(content)
    except ValueError as fault:
        raise CredentialsUnusable(f"{origin} cannot be read: it is no JSON") from fault
    if not isinstance(document, dict):
        raise CredentialsUnusable(f"{origin} is no configuration of Docker's")
    auths = mapping(document.get("auths"))
    found = {host_of(key): who for key, row in auths.items() if (who := read_row(origin, key, row)) is not None}
    asked = {*map(host_of, mapping(document.get("credHelpers")))}
    if document.get("credsStore"):
        asked |= {*map(host_of, auths)}
    return Access(credentials=found, left_to_programs=dict.fromkeys(asked - found.keys(), origin))


def read_row(origin: str, key: str, row: Any) -> Credentials | None:
    """One entry of `auths`; None for an empty one, which `docker login` leaves beside a credential store."""
    fields = mapping(row)
    username, password = str(fields.get("username") or ""), str(fields.get("password") or "")
    if fields.get("auth"):
        try:
            username, _, password = base64.b64decode(str(fields["auth"]), validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError) as fault:
            raise CredentialsUnusable(f"{origin}: what auths has for {key!r} is not base64 of user:password") from fault
    token = str(fields.get("identitytoken") or "")
    if not username and not token:
        return None
    return Credentials(username=username, password=password.rstrip("\0"), identity_token=token)


def host_of(key: str) -> str:
    """The registry that a key of `auths` means: some are addresses."""
    if key in HUB_KEYS:
        return DOCKER_HUB
    host = key.partition("://")[2] or key
    return host.partition("/")[0]


def mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
