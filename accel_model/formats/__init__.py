"""How traces, tables and results read and are written: as files, bytes and text, and in other programs' formats."""
