"""Listens to a PostgreSQL server: to its notifications, or to an outbox table that loses nothing."""
