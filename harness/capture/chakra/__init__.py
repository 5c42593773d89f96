"""PyTorch's execution traces (Chakra) as Traces. Loads on first use, since it needs torch."""

from harness import on_first_use

__getattr__ = on_first_use(__name__, ("file",))
