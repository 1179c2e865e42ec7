"""Who someone is: registration, login, API tokens."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from intellyhub_control_plane.models.roles import Role
from intellyhub_control_plane.shapes.shape import Answer, Moment, Page, Request, Text

__all__ = [
    "ApiToken",
    "ApiTokenCreated",
    "ApiTokenList",
    "CreateToken",
    "Login",
    "Me",
    "Membership",
    "Register",
    "Session",
    "TokenPath",
    "User",
]

Email = Annotated[Text, Field(min_length=3, max_length=254, pattern=r"^[^@\s]+@[^@\s]+$")]
Password = Annotated[Text, Field(min_length=1, max_length=1024)]


class Register(Request):
    """A new account. It owns a new organisation."""

    email: Email
    password: Annotated[Text, Field(min_length=8, max_length=1024, description="8 characters at least.")]
    name: Annotated[Text, Field(max_length=120)] = ""
    organisation: Annotated[Text, Field(max_length=120)] = Field(default="", description="The organisation's name.")


class Login(Request):
    """An account's name and password."""

    email: Annotated[Text, Field(min_length=1, max_length=254)]
    password: Password
    tenant: Annotated[Text | None, Field(max_length=63, description="Id or slug; the oldest membership if none.")] = (
        None
    )


class User(Answer):
    """A person."""

    id: str
    email: str
    name: str
    platform_admin: bool = Field(description="May administer the whole platform.")


class Membership(Answer):
    """An organisation one belongs to."""

    id: str
    slug: str = Field(description="Its name in addresses.")
    name: str
    role: Role


class Me(User):
    """The person who asks, and the organisation the request is for."""

    tenant: Membership
    tenants: list[Membership]


class Session(Answer):
    """Proof of a login."""

    access_token: str = Field(description="Show it as `Authorization: Bearer ...`.")
    token_type: str = "bearer"  # noqa: S105 - the type's name (RFC 6750)
    expires_in: int = Field(description="Seconds.")
    user: Me


class CreateToken(Request):
    """A token for programs."""

    name: Annotated[Text, Field(min_length=1, max_length=120)]
    role: Role | None = Field(default=None, description="What it may do; yours at most, which is also the default.")
    expires_in_days: Annotated[int, Field(ge=1, le=3650)] | None = None


class ApiToken(Answer):
    """A token for programs, without its value."""

    id: str
    name: str
    hint: str = Field(description="The value's last four characters.")
    role: Role
    created_at: Moment
    expires_at: Moment | None
    last_used_at: Moment | None


class ApiTokenCreated(ApiToken):
    """A new token. Its value is shown this once."""

    token: str = Field(description="`ihub_...`; kept nowhere.")


class ApiTokenList(Page):
    """API tokens, newest first."""

    items: list[ApiToken]
    tokens: list[ApiToken]


class TokenPath(Request):
    """Which token."""

    token_id: Text
