"""A design space searched, and what is kept of a search."""
