"""MQTT: what publishing and subscribing have in common."""
