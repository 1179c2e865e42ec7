"""Functions for functions-framework, as its documentation writes them: source of the bare servers in the tables."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import functions_framework

sys.path.insert(0, str(Path(__file__).parent))  # functions-framework runs this file outside of its package

from order import decide  # type: ignore[import-not-found]

JSON = {"Content-Type": "application/json"}


@functions_framework.http
def hello(request: Any) -> tuple[str, int, dict[str, str]]:
    """The bare server: a constant."""
    return '{"ok":true}', 200, JSON


@functions_framework.http
def decide_order(request: Any) -> tuple[str, int, dict[str, str]]:
    """Ten decisions in Python."""
    return json.dumps(decide(request.get_json())), 200, JSON
