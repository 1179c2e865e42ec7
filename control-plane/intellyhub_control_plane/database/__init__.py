"""The control plane's database: SQLite embedded, PostgreSQL in production."""
