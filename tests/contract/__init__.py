"""What IntellyHub promises to everyone who uses it, asked of a running platform: one on this machine, or a cluster's.

Nothing here looks behind the public faces, except for `cluster.py`, which asks the cluster itself.
"""
