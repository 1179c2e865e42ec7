"""The walls around a worker: what the kernel lets it see, reach and use."""
