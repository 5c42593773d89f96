"""A claim map as sentences, tables, panels and one page."""
