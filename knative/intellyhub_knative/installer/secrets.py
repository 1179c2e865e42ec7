"""The Secrets of a fresh installation. Random, made on the cluster, in no file and no repository."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Mapping

from intellyhub_knative.manifests.names import MANAGED_BY, MANAGER
from intellyhub_knative.manifests.objects import Manifest, make_secret

__all__ = ["ADMINISTRATOR", "DATABASE", "KEY", "make_first_secrets"]

KEY = "intellyhub-key"
"""`platform.key`: every secret of the platform is derived from it, tenants' secrets are sealed with it. Back it up."""
ADMINISTRATOR = "intellyhub-administrator"
"""`password`: of the administrator who is made at the first start."""
DATABASE = "intellyhub-database"
"""The addresses of PostgreSQL, and for the one that the development overlay brings, its `password`."""
KEY_BYTES = 32
PASSWORD_BYTES = 18


def make_first_secrets(
    namespace: str, database_host: str = "", random: Callable[[int], bytes] = secrets.token_bytes
) -> list[Manifest]:
    """What has to exist before the platform starts. `database_host` is the PostgreSQL that comes with it, if one does:
    with the databases `intellyhub` and `journal`, both of the user `intellyhub`."""
    files: dict[str, Mapping[str, str]] = {
        KEY: {"platform.key": base64.b64encode(random(KEY_BYTES)).decode() + "\n"},
        ADMINISTRATOR: {"password": word(random)},
    }
    if database_host:
        files[DATABASE] = addresses(database_host, word(random))
    labels = {MANAGED_BY: MANAGER, "app.kubernetes.io/part-of": "intellyhub"}
    return [make_secret(name, held, namespace=namespace, labels=labels) for name, held in files.items()]


def word(random: Callable[[int], bytes]) -> str:
    """A password that needs no quoting in an address."""
    return base64.urlsafe_b64encode(random(PASSWORD_BYTES)).decode()


def addresses(host: str, password: str) -> dict[str, str]:
    """As the processes of the platform are told them."""
    server = f"postgresql://intellyhub:{password}@{host}:5432"
    return {
        "password": password,
        "DATABASE_URL": f"{server}/intellyhub",
        "INTELLYHUB_DATABASE_URL": f"{server}/intellyhub",
        "INTELLYHUB_JOURNAL_DATABASE_URL": f"{server}/journal",
    }
