"""What the platform asks a cluster for: pure builders of Kubernetes and Knative objects, and their names."""
