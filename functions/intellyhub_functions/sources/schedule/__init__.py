"""Wakes a flow at fixed times."""
