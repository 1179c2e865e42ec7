"""The journal in PostgreSQL: what the platform on a cluster has."""
