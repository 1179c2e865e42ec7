"""What all routes share: who may call them, how they answer, what a fault looks like."""
