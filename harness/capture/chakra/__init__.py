"""PyTorch's execution traces (Chakra) as Traces."""
