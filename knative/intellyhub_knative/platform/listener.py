"""A deployed listener's parameters, with every name in them filled in."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from intellyhub_engine.catalogue.manifest import Catalogue, SourceType
from intellyhub_engine.errors import ExpressionInvalid, InputInvalid
from intellyhub_engine.language.program import Prelude
from intellyhub_engine.language.texts.templates import compile_template
from intellyhub_engine.language.values.variables import compile_variables
from intellyhub_engine.machine.listener import fill_in
from intellyhub_knative.platform.deployments import Deployment
from intellyhub_knative.platform.keys import Keys
from intellyhub_knative.platform.services import outer_names
from intellyhub_knative.platform.tenants import Tenant

__all__ = ["resolve_listener"]

NOT_PARAMETERS = frozenset(("type", "listener_type", "output", "parameters"))


def resolve_listener(deployment: Deployment, tenant: Tenant, keys: Keys, catalogue: Catalogue) -> dict[str, Any]:
    """The parameters by their canonical names: evaluated with the flow's variables, the tenant's variables and its
    secrets, converted, defaults filled in. The platform's own environment is no part of it. Raises `InputInvalid`
    with every fault."""
    written = dict(deployment.listener or {})
    nested = written.pop("parameters", None)
    written |= nested if isinstance(nested, Mapping) else {}
    source = catalogue.sources.get(str(written.get("type")))
    if source is None:
        raise InputInvalid(f"the listener's type {written.get('type')!r} is not part of this installation")
    try:
        prelude = Prelude(compile_variables(deployment.variables), compile_template(canonical(written, source)))
    except ExpressionInvalid as fault:
        raise InputInvalid(f"variables or listener: {fault.message}") from fault
    outer = outer_names(deployment, tenant, keys).all
    return fill_in(
        prelude, source, outer=outer, now_ns=time.time_ns, remedy="set what is missing as a variable or secret"
    )


def canonical(written: Mapping[str, Any], source: SourceType) -> dict[str, Any]:
    """The keys that are parameters, under the names of the manifest."""
    names = {alias: name for name, parameter in source.parameters.items() for alias in parameter.aliases}
    renamed = {names.get(key, key): value for key, value in written.items()}
    return {
        key: value
        for key, value in renamed.items()
        if key in source.parameters or (source.open_parameters and key not in NOT_PARAMETERS)
    }
