"""Wakes a flow when somebody connects to its socket, and lets its workers go when nobody does."""
