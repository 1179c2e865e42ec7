"""The deployer: desired records become Kubernetes objects, and what the cluster says of them becomes words."""
