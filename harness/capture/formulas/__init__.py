"""What one op computes and touches: a file for each kind of op."""
