"""What a design costs: energy per access and area."""
