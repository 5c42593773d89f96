"""The page headers of a Parquet file, read before anything is unpacked: what they state is what a reader allocates.

A header is a structure in Thrift's compact protocol; only whole numbers and structures of it matter here.
Source: parquet-format 2.11, README.md and parquet.thrift (PageHeader); thrift, doc/specs/thrift-compact-protocol.md.
"""

MOST_PAGES = 100_000  # of one column chunk
UNCOMPRESSED, COMPRESSED = 2, 3  # fields of a PageHeader
DATA_PAGE, DICTIONARY_PAGE, DATA_PAGE_V2 = 5, 7, 8  # fields that hold a header of their own, whose field 1 is a count
DEEPEST = 4  # structures within each other


def pages(data: bytes, start: int, length: int) -> list[tuple[bool, int, int]]:
    """[(is it a dictionary, bytes unpacked, values)] of the pages of the column chunk at `start` of a Parquet file.

    Raises ValueError where the headers are damaged, lie outside `data`, or are too many.
    """
    found, at, end = [], start, start + length
    if not 0 <= start <= end <= len(data):
        raise ValueError("a column lies outside its file")
    while at < end:
        header, at = _structure(data, at, 0)
        unpacked, packed = header.get(UNCOMPRESSED), header.get(COMPRESSED)
        inner = [header[name] for name in (DATA_PAGE, DICTIONARY_PAGE, DATA_PAGE_V2) if name in header]
        counts = [one.get(1) for one in inner if isinstance(one, dict)]
        numbers = [unpacked, packed, *counts]
        if len(counts) != 1 or not all(isinstance(one, int) and one >= 0 for one in numbers) or at + packed > end:
            raise ValueError("a page header is damaged")
        found.append((DICTIONARY_PAGE in header, unpacked, counts[0]))
        at += packed
        if len(found) > MOST_PAGES:
            raise ValueError(f"a column has more than {MOST_PAGES} pages")
    return found


def _structure(data, at, depth):
    """({field: number or structure}, where it ends); texts are skipped."""
    values, field = {}, 0
    while True:
        head = _byte(data, at)
        at += 1
        kind, step = head & 15, head >> 4
        if not head:
            return values, at
        if step:
            field += step
        else:
            field, at = _number(data, at)
        if kind in (1, 2):  # a boolean is its own value
            values[field] = kind == 1
        elif kind == 3:
            at += 1
        elif kind in (4, 5, 6):
            values[field], at = _number(data, at)
        elif kind == 7:
            at += 8
        elif kind == 8:
            size, at = _varint(data, at)
            at += size
        elif kind == 12 and depth < DEEPEST:
            values[field], at = _structure(data, at, depth + 1)
        else:
            raise ValueError("a page header is damaged")


def _number(data, at):
    """A signed number in zigzag order."""
    value, at = _varint(data, at)
    return (value >> 1) ^ -(value & 1), at


def _varint(data, at):
    value = 0
    for shift in range(0, 70, 7):
        byte = _byte(data, at)
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise ValueError("a page header is damaged")


def _byte(data, at):
    if not 0 <= at < len(data):
        raise ValueError("a page header is cut")
    return data[at]
