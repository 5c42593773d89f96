"""Boards that carry the FPGAs which were placed and routed for, and the DRAM that feeds them."""

import math

from baselines.errors import FileError
from baselines.tables import DATA, read_table

BOARDS = DATA / "fpga_boards.csv"
COLUMNS = ("board", "device", "dram", "bus_bits", "transfers_per_s", "dram_bytes", "confidence", "source", "note")


def read_boards(path=BOARDS):
    """The rows of the table of boards, with dram_bytes_per_s and dram_bytes as numbers; raises FileError."""
    rows = []
    for row in read_table(path, COLUMNS):
        try:
            rate, capacity = float(row["bus_bits"]) / 8 * float(row["transfers_per_s"]), float(row["dram_bytes"])
        except ValueError as error:
            raise FileError(f"{path}, line {row['line']}: {error}: give plain numbers") from None
        if not (0 < rate < math.inf and 0 < capacity < math.inf):
            raise FileError(f"{path}, line {row['line']}: {rate} bytes/s and {capacity} bytes: give numbers above 0")
        if row["confidence"] not in ("verified", "recalled"):
            raise FileError(
                f"{path}, line {row['line']}: confidence is {row['confidence']!r}: say verified or recalled"
            )
        rows.append(row | {"dram_bytes_per_s": rate, "dram_bytes": capacity})
    return rows
