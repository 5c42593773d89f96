"""What is trained on: a file for each source, found by its name, with its settings and what loads it."""
