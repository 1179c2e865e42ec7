"""Services that flows use: which one meets a need, how it is reached, how it is, and what it gives a flow by name."""
