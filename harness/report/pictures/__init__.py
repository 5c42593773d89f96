"""Pictures, one file each: a function of values and a Theme that returns a matplotlib Figure."""
