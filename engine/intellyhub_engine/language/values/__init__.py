"""What variables hold, what they are called, and how they are kept."""
