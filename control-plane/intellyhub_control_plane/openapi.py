"""`python -m intellyhub_control_plane.openapi > openapi.json`: the API's document, without a database."""

from __future__ import annotations

import functools
import json
import sys

from intellyhub_control_plane.web.document import make_documented_app

__all__ = ["document_text"]


@functools.cache
def document_text() -> str:
    """The document, the same for the same code."""
    return json.dumps(make_documented_app().api_doc, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(document_text())
