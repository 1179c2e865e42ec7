"""Signatures of plugins, as `minisign` makes them (https://jedisct1.github.io/minisign/): Ed25519 over `plugin.sums`.

An author signs with standard tools: `sha256sum` writes the sums of all files, `minisign -S` signs them. Whoever
installs names the public key that they trust.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from intellyhub_control_plane.plugins.files import SIGNATURE, SUMS, Files, sums_of
from intellyhub_engine.errors import InputInvalid

__all__ = ["PublicKey", "check_signature", "read_key"]

PLAIN, HASHED = b"Ed", b"ED"
ID_BYTES = 8
KEY_BYTES = 2 + ID_BYTES + 32
SIGNATURE_BYTES = 2 + ID_BYTES + 64
COMMENT = "untrusted comment:"
TRUSTED = "trusted comment: "


class PublicKey(NamedTuple):
    """Whom somebody trusts."""

    id: bytes
    key: Ed25519PublicKey


def read_key(text: str) -> PublicKey:
    """A public key as minisign prints it: `RW...`, or its file. Raises `InputInvalid`."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip() and not line.startswith(COMMENT)]
    try:
        content = base64.b64decode(lines[0], validate=True)
    except (binascii.Error, IndexError):
        content = b""
    if len(content) != KEY_BYTES or content[:2] != PLAIN:
        raise InputInvalid("the public key is none of minisign's; they begin with RW and have 56 characters")
    return PublicKey(content[2 : 2 + ID_BYTES], Ed25519PublicKey.from_public_bytes(content[2 + ID_BYTES :]))


def check_signature(files: Files, key: PublicKey) -> None:
    """Whether the key's owner signed just these files. Raises `InputInvalid` that says what is wrong."""
    if SUMS not in files or SIGNATURE not in files:
        raise InputInvalid(f"the plugin is not signed: it has no {SUMS} with a {SIGNATURE}")
    if files[SUMS].decode("utf-8", "replace") != sums_of(files):
        raise InputInvalid(f"the plugin's files are not those of its {SUMS}: they were changed after it was signed")
    try:
        check_minisign(files[SUMS], files[SIGNATURE].decode("utf-8", "replace"), key)
    except InvalidSignature:
        raise InputInvalid("the plugin's signature does not fit its files: it is forged or damaged") from None


def check_minisign(content: bytes, text: str, key: PublicKey) -> None:
    """Raises `InvalidSignature`, `InputInvalid`."""
    lines = text.splitlines()
    try:
        signature = base64.b64decode(lines[1], validate=True)
        whole = base64.b64decode(lines[3], validate=True)
        trusted = lines[2].removeprefix(TRUSTED)
    except (binascii.Error, IndexError):
        raise InputInvalid(f"{SIGNATURE} is no signature of minisign's") from None
    if len(signature) != SIGNATURE_BYTES or signature[:2] not in (PLAIN, HASHED):
        raise InputInvalid(f"{SIGNATURE} is no signature of minisign's")
    if signature[2 : 2 + ID_BYTES] != key.id:
        raise InputInvalid("the plugin is signed, but with another key than the one that is trusted")
    signed = hashlib.blake2b(content).digest() if signature[:2] == HASHED else content
    key.key.verify(signature[2 + ID_BYTES :], signed)
    key.key.verify(whole, signature[2 + ID_BYTES :] + trusted.encode())
