"""Tests that are about rows run on both databases."""

from __future__ import annotations

import pytest

DATABASES = ("sqlite", pytest.param("postgresql", marks=pytest.mark.xdist_group("postgresql")))
"""With one server for all tests, however many processes run them."""
both_databases = pytest.mark.parametrize("database_url", DATABASES, indirect=True)
