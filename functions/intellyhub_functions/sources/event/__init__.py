"""Takes events of the tenant's broker."""
