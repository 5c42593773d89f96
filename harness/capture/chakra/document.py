"""The JSON document in an execution trace file, read within stated bounds.

JSON grows when it is read: three bytes make a list of 56, eight a mapping of 184. What a file would take is therefore
estimated from its marks before it is parsed, and refused above a limit that a setting can raise.
"""

import json
import math
import os
import zlib
from pathlib import Path

from accel_model.errors import TraceError
from harness.settings.errors import CaptureError

LARGEST_MEMORY = 384 * 2**20  # bytes that a file may take once read, where task.memory_mb does not say otherwise
PER_FILE = 4  # that limit over the largest file: text and objects lie in memory side by side
BYTES_OF = {b"[": 64, b"{": 200, b",": 40, b":": 40, b'"': 12}  # of CPython 3.11's objects, by the mark that makes one
GZIP, ZIP, TAR = b"\x1f\x8b", b"PK\x03\x04", b"ustar"
TAR_AT = 257  # where a tar archive has its mark
PIECE = 2**16  # bytes that are unpacked at once: 1,032 times as many come out at most
MOST_MEMBERS = 1000  # of a gzip file
SHOWN = 200  # characters of a value that an error repeats


class ExecutionTraceError(CaptureError, TraceError):
    """An execution trace file is missing, damaged, too large or makes no trace."""


def read(path: str | Path, memory_bytes: int = LARGEST_MEMORY) -> object:
    """The JSON value in the file at `path`, packed by gzip or not.

    memory_bytes: what it may take once read. Raises ExecutionTraceError.
    """
    data = _unpacked(path, memory_bytes)
    needed = len(data) * 2 + sum(data.count(mark) * size for mark, size in BYTES_OF.items())
    if needed > memory_bytes:
        raise ExecutionTraceError(
            f"{path} has {len(data)} bytes that take some {needed >> 20} MB in memory, and {memory_bytes >> 20} MB is "
            f"the limit: record fewer steps, or allow it with task.memory_mb={(needed >> 20) + 1}"
        )
    try:
        text = data.decode("utf-8-sig")
        del data
        return json.loads(text, parse_constant=_refused, parse_float=_finite)
    except RecursionError:
        raise ExecutionTraceError(
            f"{path} is no JSON file of this kind: it nests deeper than some 1,000 levels; record it again"
        ) from None
    except ValueError as error:
        raise ExecutionTraceError(_no_json(path, error)) from None


def shown(value: object) -> str:
    """A value as an error repeats it: printable ASCII, at most SHOWN characters."""
    if isinstance(value, str):
        text = ascii(value[: SHOWN + 1])
    elif isinstance(value, int) and not -(2**200) < value < 2**200:
        return f"a number of {value.bit_length()} bits"
    elif isinstance(value, list | dict):
        text = f"a {'list' if isinstance(value, list) else 'mapping'} of {len(value)}"
    else:
        text = ascii(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def printable(name: str) -> str:
    """A name from a file as people see it: at most SHOWN characters, without control and direction marks."""
    return "".join(mark if mark.isprintable() else "?" for mark in name[:SHOWN])


def reason(error: object) -> str:
    """The text of an error as another repeats it: printable ASCII, at most SHOWN characters."""
    text = ascii(str(error)[: SHOWN + 1])[1:-1]
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _unpacked(path, memory_bytes):
    limit = memory_bytes // PER_FILE
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            data = file.read(limit + 1) if size <= limit else b""
    except FileNotFoundError:
        raise ExecutionTraceError(f"there is no execution trace at {path}: check the path") from None
    except OSError as error:
        raise ExecutionTraceError(f"cannot read {path}: {error.strerror or error}") from None
    except ValueError as error:
        raise ExecutionTraceError(f"cannot read {shown(str(path))}: {error}") from None
    if size > limit or len(data) > limit:
        raise ExecutionTraceError(_too_large(path, limit))
    if data.startswith(GZIP):
        data = _gunzipped(path, data, limit)
    if (kind := _foreign(path, data)) is not None:
        raise ExecutionTraceError(kind)
    return data


def _gunzipped(path, data, limit):
    """The bytes that are packed in `data`, in one member or several, unpacked in pieces up to `limit`."""
    parts, size, members, unpacker = [], 0, 0, None
    try:
        for start in range(0, len(data), PIECE):
            piece = data[start : start + PIECE]
            while piece:
                if unpacker is None:
                    unpacker, members = zlib.decompressobj(wbits=31), members + 1
                part = unpacker.decompress(piece, limit - size + 1)
                size += len(part)
                if size > limit or members > MOST_MEMBERS:
                    raise ExecutionTraceError(_too_large(path, limit))
                parts.append(part)
                piece = unpacker.unconsumed_tail or unpacker.unused_data
                if unpacker.eof:
                    unpacker = None
    except zlib.error as error:
        raise ExecutionTraceError(f"{path} is no JSON file packed by gzip ({error}): record it again") from None
    if unpacker is not None:
        raise ExecutionTraceError(f"{path} is no JSON file packed by gzip: it ends too early; copy it again")
    return b"".join(parts)


def _too_large(path, limit):
    return (
        f"{path} has more than {limit} bytes unpacked, the largest that is read: record fewer steps, or allow more "
        f"memory with task.memory_mb={2 * limit * PER_FILE >> 20}"
    )


def _foreign(path, data):
    """What to say of a file of another kind, or None."""
    if data.startswith(ZIP) or data[TAR_AT : TAR_AT + len(TAR)] == TAR:
        kind = "zip" if data.startswith(ZIP) else "tar"
        return f"{path} is no JSON file: it is a {kind} archive; unpack it and give the .json file in it"
    start = data[:4].lstrip(b"\xef\xbb\xbf \t\r\n")
    is_json = start[:1] in (b"{", b"[")
    message = any(tag in data[1:3] for tag in (b"\x0a", b"\x12"))  # of GlobalMetadata
    message &= any(byte < 9 or 13 < byte < 32 for byte in data[:64])
    if not is_json and (message or (str(path).endswith(".et") and data)):
        return (
            f"{path} is no JSON file: it is a Chakra trace in protobuf, made for simulators. Give the JSON that it was "
            "converted from (chakra_converter's --input, written by torch.profiler.ExecutionTraceObserver); "
            f"chakra_jsonizer --input_filename {path} --output_filename out.json makes it readable"
        )
    return None


def _no_json(path, error):
    return f"{path} is no JSON file ({reason(error)}): unpack it, or record it again"


def _refused(token):
    raise ValueError(f"it holds {token}, which is no number of JSON")


def _finite(text):
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"it holds {text[:40]}, which no float holds")
    return value
