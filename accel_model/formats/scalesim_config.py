"""SCALE-Sim's `.cfg` files, read into a Design that counts cycles by SCALE-Sim's convention.

Of its sections only `architecture_presets`, and from `run_presets` and `sparsity` the modes, bear on this model. A word
is one byte. SCALE-Sim gives each of three operands an interface of `Bandwidth` words per cycle (mode USER), or as much
as no stall needs (mode CALC, here a bandwidth that is never the limit). It has no clock: cycles are what it counts.
Source: SCALE-Sim 3.0.0, scalesim/scale_config.py and single_layer_sim.py; 2.0 files lack some sections, 1.0 files call
the memories IfmapSramSz.
"""

from dataclasses import dataclass
from os import PathLike

from accel_model.array.dataflow import RECORDS
from accel_model.design import Design
from accel_model.errors import DesignError
from accel_model.formats.reading import read_text

INTERFACES = 3  # ifmap, filter, ofmap
UNLIMITED_BYTES_PER_S = 1e30
ARRAY = "architecture_presets"
DATAFLOWS = [record.name for record in RECORDS if getattr(record, "scalesim", None)]  # that SCALE-Sim has, too


def load_config(path: str | PathLike, clock_hz: float = 1e9) -> Design:
    """The Design (one row) of a SCALE-Sim configuration file: padded folds, no overlap, its convention of cycles.

    clock_hz: what turns its cycles into seconds. Raises DesignError, with file, line and column, for a file that is not
    such a configuration or asks for sparsity.
    """
    settings = _read(path)
    sparse = settings.get(("sparsity", "sparsitysupport"))
    if sparse and sparse.text.lower() == "true":
        sparse.fail("SparsitySupport is true, which this model leaves out: set it to false")
    dataflow = _need(settings, path, "Dataflow")
    if dataflow.text.lower() not in DATAFLOWS:
        dataflow.fail(f"Dataflow is {dataflow.text!r}: give {', '.join(DATAFLOWS[:-1])} or {DATAFLOWS[-1]}")
    rows, cols = (_need(settings, path, name).positive(name) for name in ("ArrayHeight", "ArrayWidth"))
    memories = [_memory(settings, operand) for operand in ("Ifmap", "Filter", "Ofmap")]
    name = settings.get(("general", "run_name"))
    try:
        return Design.grid(
            name=name.text.strip("\"'") if name else "scalesim",
            rows=rows,
            cols=cols,
            dataflow=dataflow.text.lower(),
            overlap="none",
            trim=False,
            convention="scalesim",
            clock_hz=clock_hz,
            dram_bytes_per_s=_bytes_per_s(settings, path, clock_hz),
            **({"buffer_bytes": sum(memories) * 1024} if all(memories) else {}),
        )
    except DesignError as error:
        raise DesignError(f"{path}: {error}") from None


@dataclass(frozen=True)
class _ConfigValue:
    """What a key was set to, and where."""

    text: str
    path: str
    line: int
    column: int

    def fail(self, text):
        raise DesignError(f"{self.path}, line {self.line}, column {self.column}: {text}")

    def positive(self, name):
        """The whole number above 0 that it holds."""
        text = self.text
        if not (text.isascii() and text.isdigit() and len(text) <= 15 and int(text) > 0):
            self.fail(f"{name} is {text!r}: give a whole number above 0")
        return int(text)


def _read(path):
    """The file's settings as {(section, key), both in lower case: _ConfigValue}; raises DesignError for other lines."""
    settings, section = {}, None
    for number, line in enumerate(read_text(path, DesignError).splitlines(), 1):
        text = line.strip()
        if not text or text[0] in "#;":
            continue
        column = line.index(text) + 1
        if text.startswith("["):
            if not text.endswith("]"):
                raise DesignError(f"{path}, line {number}, column {column}: {text!r} lacks its closing bracket")
            section = text[1:-1].strip().lower()
            continue
        at = min((text.find(mark) for mark in ":=" if mark in text), default=-1)
        if at < 1 or section is None:
            expected = "a line `key = value`" if section else "a section such as [general]"
            raise DesignError(f"{path}, line {number}, column {column}: {text[:60]!r} where {expected} belongs")
        value = text[at + 1 :].strip()
        key = (section, text[:at].strip().lower())
        if key in settings:
            raise DesignError(
                f"{path}, line {number}, column {column}: {key[1]} is given in line {settings[key].line} too: keep one"
            )
        column += at + 1 + len(text[at + 1 :]) - len(text[at + 1 :].lstrip())
        settings[key] = _ConfigValue(value, str(path), number, column)
    return settings


def _need(settings, path, name, section=ARRAY):
    value = settings.get((section, name.lower()))
    if value is None:
        raise DesignError(f"{path} has no {name} in [{section}]: add a line such as `{name} : ...`")
    return value


def _memory(settings, operand):
    """KiB of an operand's memory; None where the file does not say."""
    for name in (f"{operand}SramSzkB", f"{operand}SramSz"):
        if value := settings.get((ARRAY, name.lower())):
            return value.positive(name)
    return None


def _bytes_per_s(settings, path, clock_hz):
    mode = settings.get(("run_presets", "interfacebandwidth"))
    if mode is None or mode.text == "CALC":
        return UNLIMITED_BYTES_PER_S
    if mode.text != "USER":
        mode.fail(f"InterfaceBandwidth is {mode.text!r}: give CALC or USER")
    given = _need(settings, path, "Bandwidth")
    first = _ConfigValue(given.text.split(",")[0].strip(), given.path, given.line, given.column)
    return INTERFACES * first.positive("Bandwidth") * clock_hz
