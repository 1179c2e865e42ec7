"""Receives the messages of a Telegram bot."""
