"""The peers: each library used the way its own documentation does, and our hand-written floors."""
