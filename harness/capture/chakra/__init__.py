"""PyTorch's execution traces (Chakra) as Traces. Its parts load on first use: reading needs torch."""

from harness import on_first_use

__getattr__ = on_first_use(__name__, ("export", "file"))
