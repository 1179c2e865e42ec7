"""The platform under fire: what is promised about crashes, tried by killing. `make soak` runs all of it."""
