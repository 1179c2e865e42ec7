"""Writes Python programs with a large language model: a plan, the code, its tests."""
