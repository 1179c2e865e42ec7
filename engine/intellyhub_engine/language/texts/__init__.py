"""What authors write with placeholders in it: conditions, templates, shell scripts, Python blocks."""
