"""Tests: laws, oracles, published numbers and contracts, in the folders of what they test."""
