"""What happens in the process of its own in which a plugin's code runs; nothing here is imported by a worker."""
