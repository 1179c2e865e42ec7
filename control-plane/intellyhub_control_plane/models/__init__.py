"""What the control plane keeps in its database."""
