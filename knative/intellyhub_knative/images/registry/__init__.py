"""Registries: the OCI distribution protocol, over HTTP."""
