"""Receives the messages of an SQS queue."""
