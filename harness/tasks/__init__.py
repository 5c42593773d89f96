"""What the command line can do: one file a task, found by its name. Loads on first use, so that --help is quick."""

from harness import on_first_use

__getattr__ = on_first_use(__name__, ("closing", "failures", "job", "sources"))
