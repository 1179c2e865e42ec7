"""Receives HTTP requests."""
