"""The guarded Python that every condition and placeholder compiles to."""
