"""How connections of protocols other than HTTP are encrypted: the parameters `verify_tls`, `ca_file`, `cert_file` and
`key_file`, the same for all of them."""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.language.values.values import text_of
from intellyhub_functions.files.paths import place
from intellyhub_functions.files.storage import read_up_to

__all__ = ["make_tls_context"]

MAX_PEM_BYTES = 1024 * 1024
PEM = "-----BEGIN "


def make_tls_context(parameters: Mapping[str, Any], workspace: Path) -> ssl.SSLContext:
    """Certificates are verified unless `verify_tls` is false. A file is named, or given as its PEM text itself, as
    secrets are. Raises PermanentError."""
    context = ssl.create_default_context()
    try:
        if parameters.get("ca_file"):
            context.load_verify_locations(cadata=read_pem(parameters["ca_file"], workspace))
        if parameters.get("cert_file"):
            load_own(context, parameters, workspace)
    except (ssl.SSLError, ValueError) as fault:
        raise PermanentError(f"a certificate or key cannot be read: {reason_of(fault)}") from None
    if parameters.get("verify_tls") is False:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def load_own(context: ssl.SSLContext, parameters: Mapping[str, Any], workspace: Path) -> None:
    """The certificate that the client shows. The library reads it from a file only."""
    texts = [read_pem(parameters[name], workspace) for name in ("cert_file", "key_file") if parameters.get(name)]
    with tempfile.TemporaryDirectory() as folder:  # readable by this user only
        file = Path(folder) / "certificate.pem"
        file.write_text("\n".join(texts))
        context.load_cert_chain(file, password=no_password)


def no_password() -> str:
    """For a key that is encrypted; without this the library would ask on the terminal."""
    raise ValueError("the key is encrypted")


def read_pem(written: Any, workspace: Path) -> str:
    """PEM text as it is given, or out of the file that is named."""
    text = text_of(written).strip()
    if text.startswith(PEM):
        return text
    try:
        return read_up_to(place(text, workspace), MAX_PEM_BYTES).decode("ascii", "replace")
    except OSError as fault:
        raise PermanentError(f"{text!r} cannot be read: {fault.strerror}") from fault


def reason_of(fault: Exception) -> str:
    """What the library says, without the place in its source."""
    return getattr(fault, "reason", None) or str(fault)
