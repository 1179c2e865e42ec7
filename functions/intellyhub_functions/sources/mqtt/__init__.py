"""Receives the messages of MQTT topics."""
