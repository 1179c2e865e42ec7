"""What a webhook's listener can never mean, told before anybody calls it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from intellyhub_engine.catalogue.manifest import ParameterFault
from intellyhub_engine.errors import PermanentError
from intellyhub_engine.language.spelling import did_you_mean
from intellyhub_engine.language.values.values import text_of
from intellyhub_functions.sources.lists import texts_of
from intellyhub_functions.sources.webhook.checks import make_networks
from intellyhub_functions.sources.webhook.rules import UNPROVABLE
from intellyhub_functions.sources.webhook.signatures import Style, make_verify

__all__ = ["examine"]

METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
ANY_SECRET = "0" * 32
"""In place of the real one, which is not known before the flow runs."""


def examine(known: Mapping[str, Any], unknown: Collection[str]) -> Iterator[ParameterFault]:
    """Its proof, its callers, its methods."""
    signature = known.get("signature")
    if signature is not None:
        if "secret" not in known and "secret" not in unknown:
            yield ParameterFault(("signature",), UNPROVABLE)
        try:
            make_verify(signature, ANY_SECRET, 300.0)
        except PermanentError as fault:
            styles = [style.value for style in Style]
            meant = did_you_mean(signature, styles) if isinstance(signature, str) else None
            yield ParameterFault(("signature",), str(fault), meant)
    if "secret" in known and not text_of(known["secret"] or "").strip():
        yield ParameterFault(("secret",), "the secret is empty: leave it out, or say which variable holds it")
    for path, network in parts_of("allowed_ips", known):
        try:
            make_networks([network])
        except PermanentError as fault:
            yield ParameterFault(path, str(fault))
    for path, method in parts_of("methods", known):
        if method.upper() not in METHODS:
            message = f"methods: {method[:40]!r} is none of {', '.join(METHODS)}"
            yield ParameterFault(path, message, did_you_mean(method.upper(), METHODS))


def parts_of(name: str, known: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """The items of a list, or of one text with commas, each with its place."""
    written = known.get(name)
    for number, part in enumerate(texts_of(written)):
        yield ((name, number) if isinstance(written, list) else (name,)), part
