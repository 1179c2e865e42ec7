"""Receives the messages of an IMAP mailbox."""
