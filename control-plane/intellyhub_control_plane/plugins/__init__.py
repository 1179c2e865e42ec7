"""Plugins: where they come from, what they need, and where they are kept. The same for a platform's tenants and for a
folder of flows on a developer's machine; nothing here knows the web or the database."""
