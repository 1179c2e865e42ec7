"""What an installation makes for itself, once: its Secrets."""
