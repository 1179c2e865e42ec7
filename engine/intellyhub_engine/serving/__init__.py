"""A worker: one flow version behind HTTP."""
