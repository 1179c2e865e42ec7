"""Git repositories whose flows are published when they change."""
