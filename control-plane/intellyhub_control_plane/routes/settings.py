"""`/api/variables` and `/api/secrets`: what a tenant's flows find by name."""

from __future__ import annotations

from intellyhub_control_plane.models.roles import Role
from intellyhub_control_plane.models.settings import Secret, Variable
from intellyhub_control_plane.shapes.settings import Secret as SecretShape
from intellyhub_control_plane.shapes.settings import (
    SecretList,
    SecretPath,
    SetSecret,
    SetVariable,
    VariableList,
    VariablePath,
)
from intellyhub_control_plane.shapes.settings import Variable as VariableShape
from intellyhub_control_plane.shapes.shape import PageQuery
from intellyhub_control_plane.web.area import Area
from intellyhub_control_plane.web.caller import Caller
from intellyhub_control_plane.web.paging import paginate
from intellyhub_knative.platform.seal import seal

__all__ = ["settings"]

settings = Area("settings", "Variables and secrets")


@settings.operation("GET", "/api/variables", needs=Role.VIEWER, answers={200: VariableList})
def list_variables(caller: Caller, query: PageQuery) -> VariableList:
    """List variables."""
    mine, keys = Variable.of(caller.tenant), (Variable.key,)
    page = paginate(caller.session, mine, keys, limit=query.limit, cursor=query.cursor, rising=True)
    items = [show_variable(variable) for (variable,) in page.rows]
    return VariableList.of(items, page.next_cursor)


@settings.operation("POST", "/api/variables", needs=Role.EDITOR, answers={201: VariableShape})
def set_variable(caller: Caller, body: SetVariable) -> VariableShape:
    """Set a variable."""
    variable = Variable.put(caller.session, caller.tenant, body.key, body.value)
    caller.audit("variable.set", body.key)
    caller.publish_tenant()
    return show_variable(variable)


@settings.operation("DELETE", "/api/variables/<key>", needs=Role.EDITOR, answers={204: None}, faults=(404,))
def delete_variable(caller: Caller, path: VariablePath) -> None:
    """Delete a variable."""
    caller.session.delete(Variable.named(caller.session, caller.tenant, path.key))
    caller.audit("variable.deleted", path.key)
    caller.publish_tenant()


@settings.operation("GET", "/api/secrets", needs=Role.EDITOR, answers={200: SecretList})
def list_secrets(caller: Caller, query: PageQuery) -> SecretList:
    """List the names of secrets."""
    mine, keys = Secret.of(caller.tenant), (Secret.name,)
    page = paginate(caller.session, mine, keys, limit=query.limit, cursor=query.cursor, rising=True)
    items = [SecretShape(name=secret.name, updated_at=secret.updated_at) for (secret,) in page.rows]
    return SecretList.of(items, page.next_cursor)


@settings.operation("POST", "/api/secrets", needs=Role.ADMIN, answers={201: SecretShape})
def set_secret(caller: Caller, body: SetSecret) -> SecretShape:
    """Set a secret. Its value is never given again."""
    secret = Secret.put(caller.session, caller.tenant, body.name, seal(body.value, caller.platform.keys))
    caller.audit("secret.set", body.name)
    caller.publish_tenant()
    return SecretShape(name=secret.name, updated_at=secret.updated_at)


@settings.operation("DELETE", "/api/secrets/<name>", needs=Role.ADMIN, answers={204: None}, faults=(404,))
def delete_secret(caller: Caller, path: SecretPath) -> None:
    """Delete a secret."""
    caller.session.delete(Secret.named(caller.session, caller.tenant, path.name))
    caller.audit("secret.deleted", path.name)
    caller.publish_tenant()


def show_variable(variable: Variable) -> VariableShape:
    return VariableShape(key=variable.key, value=variable.value, updated_at=variable.updated_at)
