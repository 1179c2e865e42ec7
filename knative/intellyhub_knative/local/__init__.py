"""The platform on one machine: its processes, the folder they share, and what they say to each other."""
