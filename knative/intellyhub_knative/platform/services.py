"""What a flow finds by name from outside of it: its tenant's variables and secrets, and what services give it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from intellyhub_knative.platform.deployments import Deployment
from intellyhub_knative.platform.keys import Keys
from intellyhub_knative.platform.seal import unseal
from intellyhub_knative.platform.tenants import Tenant

__all__ = ["OuterNames", "fill_in", "outer_names"]

PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
SECRETIVE = re.compile(r"passw|secret|token|api_?key|credential", re.IGNORECASE)
"""Names of values that are kept secret also where they were written out."""


class OuterNames(NamedTuple):
    """By name; no name is in both."""

    variables: dict[str, Any]
    secrets: dict[str, str]

    @property
    def all(self) -> dict[str, Any]:
        """Both; the tenant's variables come before its secrets."""
        return {**self.secrets, **self.variables}


def outer_names(deployment: Deployment, tenant: Tenant, keys: Keys) -> OuterNames:
    """The tenant's own names, and behind them those of services. What a secret was put into is secret. Raises
    `InputInvalid` where a secret cannot be read."""
    secrets = unseal(tenant.sealed_secrets, keys)
    variables = dict(tenant.variables)
    given = {name: text for name, text in deployment.services.items() if name not in variables and name not in secrets}
    for name, text in given.items():
        filled, is_secret = fill_in(text, tenant.variables, secrets)
        if is_secret or SECRETIVE.search(name):
            secrets[name] = filled
        else:
            variables[name] = filled
    return OuterNames(variables, secrets)


def fill_in(text: str, variables: Mapping[str, Any], secrets: Mapping[str, str]) -> tuple[str, bool]:
    """The text with its placeholders filled, and whether a secret is in it. Names that are not known stay."""
    used: set[str] = set()

    def value_of(match: re.Match[str]) -> str:
        name = match[1]
        if name in variables:
            return str(variables[name])
        if name in secrets:
            used.add(name)
            return secrets[name]
        return match[0]

    return PLACEHOLDER.sub(value_of, text), bool(used)
