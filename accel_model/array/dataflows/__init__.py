"""One dataflow a file: a module with a RECORD, found by its place."""
