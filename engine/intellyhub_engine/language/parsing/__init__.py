"""Plain values -> the model: every dialect becomes one form."""
