"""Reads a feed."""
