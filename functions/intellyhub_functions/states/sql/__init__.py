"""Runs SQL on any database that SQLAlchemy speaks to."""
