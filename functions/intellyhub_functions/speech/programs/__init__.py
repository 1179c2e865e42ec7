"""What runs apart, in a walled process of its own: C libraries that read what strangers sent."""
