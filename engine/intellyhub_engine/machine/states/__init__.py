"""How each kind of state is performed: states made into callables, and what happens when they fail."""
