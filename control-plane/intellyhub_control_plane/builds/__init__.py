"""Builds on a platform: a queue in the database, and whoever takes from it."""
