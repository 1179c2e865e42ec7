"""The one public port: events come in, hooks are answered, runs are watched; the rest goes to the control plane."""
