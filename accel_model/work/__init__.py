"""A trace as work: units that are costed once, what joins what, what stays on chip."""
