"""What functions that speak to databases share: which addresses are allowed, what may not stand in a query."""
