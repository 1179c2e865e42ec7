"""Where flows run: manifests, cluster client, image builds and the local platform."""
