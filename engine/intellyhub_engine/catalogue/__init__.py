"""What state types and sources exist, as their manifests say."""
