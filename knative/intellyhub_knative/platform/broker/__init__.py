"""The broker: takes stored events to flows, again and again until they are settled, and wakes runs that are due."""
