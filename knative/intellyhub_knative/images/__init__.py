"""Container images without Docker: a flow's from layers, reproducible to the byte; registries, folders, archives."""
