"""What a plugin asks for, told before it is installed: hosts, secrets, packages, services."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any

from intellyhub_control_plane.plugins.files import Files
from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.frozen import dataclass
from intellyhub_functions.layers.requirements import name_of, split_standard
from intellyhub_functions.plugins.plugin import PluginManifest

__all__ = ["Needs", "SecretNeed", "ServiceNeed", "find_needs", "find_service_needs"]

ENVIRONMENT = re.compile(r"^\s*([A-Z][A-Z0-9_]{1,127})\s*(?:[-:\u2013\u2014]\s*(.*))?$", re.DOTALL)
DEFAULT = re.compile(r"^\$\{([A-Za-z_][A-Za-z0-9_]{0,127})\}$")
DISTRIBUTIONS = {
    "bs4": "beautifulsoup4",
    "feedparser": "feedparser",
    "flask": "flask",
    "googleapiclient": "google-api-python-client",
    "imapclient": "imapclient",
    "mysql": "mysql-connector-python",
    "paho": "paho-mqtt",
    "PIL": "pillow",
    "psycopg2": "psycopg2-binary",
    "redis": "redis",
    "requests": "requests",
    "yaml": "pyyaml",
}
"""Packages that published plugins import without saying so, by what they import."""
CORRECTED: Mapping[tuple[str, str], str | None] = {
    ("llm-agent", "langchain>=0.2.5"): "langchain>=0.2.5,<1",
    ("llm-agent", "transformers>=4.42.3"): None,
    ("llm-agent", "torch>=2.3.1"): None,
}
"""Plugin and requirement, as published -> what the plugin runs with (FLOW_LANGUAGE.md section 13); None: its code does
without, but for one provider, and it has gigabytes."""
LONGEST = 500


@dataclass(frozen=True, kw_only=True)
class SecretNeed:
    """A value that the operator must set, by the name under which the plugin finds it."""

    name: str
    description: str = ""


@dataclass(frozen=True, kw_only=True)
class ServiceNeed:
    """A service that the plugin uses (FLOW_LANGUAGE.md section 12)."""

    type: str
    required: bool = True
    min_version: str | None = None
    prefer: str | None = None
    """`local` or `remote`."""
    fallback: tuple[str, ...] = ()
    connection_vars: Mapping[str, str]
    """Key of a service's connection -> the name under which flows find it."""
    health_check: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Needs:
    """Everything that a plugin asks for."""

    hosts: tuple[str, ...] | None
    """None: its manifest does not say, so it may be any."""
    secrets: tuple[SecretNeed, ...]
    requirements: tuple[str, ...]
    """Packages that are installed for it."""
    undeclared: tuple[str, ...]
    """Those among them that its code imports and its manifest leaves out."""
    left_out: tuple[str, ...]
    """Requirements that are not installed: modules of Python itself, and what the code can do without."""
    optional_requirements: tuple[str, ...]
    services: tuple[ServiceNeed, ...]


def find_needs(manifest: PluginManifest, files: Files, *, also: tuple[str, ...] = ()) -> Needs:
    """From a manifest and the code's text, which is not run. `also`: requirements that its package has. Raises
    `InputInvalid`."""
    document = manifest.document
    written = dict.fromkeys((*manifest.requirements, *also))
    corrected = {line: CORRECTED.get((manifest.name, line), line) for line in written}
    packages, standard = split_standard(line for line in corrected.values() if line is not None)
    named = {name_of(line) for line in (*packages, *manifest.optional_requirements)}
    undeclared = tuple(sorted(find_imports(files) - named))
    return Needs(
        hosts=texts(document["hosts"]) if "hosts" in document else None,
        secrets=tuple(find_secrets(manifest)),
        requirements=(*packages, *undeclared),
        undeclared=undeclared,
        left_out=(*standard, *(line for line, instead in corrected.items() if instead is None)),
        optional_requirements=manifest.optional_requirements,
        services=find_service_needs(document),
    )


def find_secrets(manifest: PluginManifest) -> Iterator[SecretNeed]:
    """Those it names outright, then those of which published manifests speak: variables of the environment, and
    defaults that are taken from there."""
    found: dict[str, str] = {}
    for name in (*manifest.secrets, *texts(manifest.document.get("secrets"))):
        found.setdefault(name, "")
    for line in texts(mapping(manifest.document.get("installation")).get("environment_variables")):
        if match := ENVIRONMENT.match(line):
            found[match[1]] = (match[2] or "").strip()[:LONGEST]
    for body in mapping(manifest.document.get("configuration")).values():
        default = mapping(body).get("default")
        if isinstance(default, str) and (match := DEFAULT.match(default)):
            found.setdefault(match[1], str(mapping(body).get("description") or "")[:LONGEST])
    injected = {name for need in find_service_needs(manifest.document) for name in need.connection_vars.values()}
    for name, description in found.items():
        if name not in injected:
            yield SecretNeed(name=name, description=description)


def find_service_needs(document: Mapping[str, Any]) -> tuple[ServiceNeed, ...]:
    """`dependencies.services` of a manifest. Raises `InputInvalid`."""
    services = mapping(document.get("dependencies")).get("services") or []
    if not isinstance(services, list):
        raise InputInvalid("dependencies.services of the manifest is no list")
    return tuple(map(read_service_need, services))


def read_service_need(body: Any) -> ServiceNeed:
    """One of them. Raises `InputInvalid`."""
    facts = mapping(body)
    kind, variables = facts.get("type"), mapping(facts.get("connection_vars"))
    if not isinstance(kind, str) or not kind:
        raise InputInvalid("a service in the manifest's dependencies.services has no type")
    wrong = [name for pair in variables.items() for name in pair if not isinstance(name, str)]
    if wrong:
        raise InputInvalid(f"connection_vars of the manifest's service {kind!r} are not names")
    minimum = facts.get("min_version")
    return ServiceNeed(
        type=kind,
        required=facts.get("required", True) is not False,
        min_version=None if minimum is None else str(minimum),
        prefer=facts.get("prefer") if isinstance(facts.get("prefer"), str) else None,
        fallback=texts(facts.get("fallback")),
        connection_vars=dict(variables),
        health_check=mapping(facts.get("health_check")) or None,
    )


def find_imports(files: Files) -> set[str]:
    """Packages that the code imports when it is loaded, of those known by the name of their module."""
    found: set[str] = set()
    for name, content in files.items():
        if name.endswith(".py") and not name.rpartition("/")[2].startswith("test_"):
            found |= {DISTRIBUTIONS[module] for module in modules_of(content) if module in DISTRIBUTIONS}
    return found


def modules_of(content: bytes) -> Iterator[str]:
    """The roots of what stands in imports at the top of a module. One that cannot be parsed imports nothing yet: its
    fault is told when it is loaded."""
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError):
        return
    for statement in tree.body:
        if isinstance(statement, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom) and statement.module and not statement.level:
            yield statement.module.partition(".")[0]


def mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list) else ()
