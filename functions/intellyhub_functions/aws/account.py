"""The account that a flow names: keys, region, address. Nothing is ever taken from the platform's own surroundings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from intellyhub_engine.errors import PermanentError
from intellyhub_functions.parameters import find_text

__all__ = ["Account", "find_account"]

DEFAULT_REGION = "us-east-1"


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Account:
    """Who calls, and where."""

    access_key: str
    secret_key: str
    session_token: str | None = None
    region: str = DEFAULT_REGION
    base_url: str | None = None
    """A server that speaks like AWS (MinIO, Ceph, moto); None is AWS itself."""


def find_account(parameters: Mapping[str, Any], names: Mapping[str, Any], service: str) -> Account:
    """The parameters' account, else that of the variables AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN,
    AWS_REGION and AWS_ENDPOINT_URL (or AWS_ENDPOINT_URL_<service>). Raises PermanentError where there is none."""

    def setting(key: str, *variables: str) -> str:
        return find_text(parameters, key, names, *variables)

    given = {
        "access_key": setting("access_key", "AWS_ACCESS_KEY_ID"),
        "secret_key": setting("secret_key", "AWS_SECRET_ACCESS_KEY"),
    }
    missing = [name for name, value in given.items() if not value]
    if missing:
        variables = {"access_key": "AWS_ACCESS_KEY_ID", "secret_key": "AWS_SECRET_ACCESS_KEY"}
        told = " and ".join(f"{name} (or the variable {variables[name]})" for name in missing)
        raise PermanentError(f"{service} needs {told}")
    base_url = setting("base_url", f"AWS_ENDPOINT_URL_{service}", "AWS_ENDPOINT_URL").rstrip("/")
    if base_url and not is_address(base_url):
        raise PermanentError(f"base_url is {base_url!r}, not an http or https address")
    return Account(
        **given,
        session_token=setting("session_token", "AWS_SESSION_TOKEN") or None,
        region=setting("region", "AWS_REGION", "AWS_DEFAULT_REGION") or DEFAULT_REGION,
        base_url=base_url or None,
    )


def is_address(written: str) -> bool:
    """Whether it is the http or https address of a server."""
    try:
        parts = urlsplit(written)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False
