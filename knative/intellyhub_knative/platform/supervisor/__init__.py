"""The supervisor: starts, restarts and stops the processes of a platform on one machine."""
