"""The platform: its processes, what they share, and what they say to each other, on one machine and on a cluster."""
