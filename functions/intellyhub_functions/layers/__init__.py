"""Python packages for flows: resolved, pinned and installed behind walls, in folders that only their users see."""
