"""Mail: what sending and receiving it have in common."""
