"""What the command line can do: one file a task, found by its name."""
