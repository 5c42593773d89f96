"""SCALE-Sim's `.cfg` files, read into a Design that counts cycles by SCALE-Sim's convention.

Of its sections only `architecture_presets`, and from `run_presets` and `sparsity` the modes, bear on this model. A word
is one byte. SCALE-Sim gives each of three operands an interface of `Bandwidth` words per cycle (mode USER), or as much
as no stall needs (mode CALC, and files of 1.0, which have no mode): here a bandwidth that is never the limit, with
which the model cuts no op into tiles, so that a step takes SCALE-Sim's compute cycles whatever the memories hold. It
has no clock: cycles are what it counts.
What Python's configparser reads is read here too: `:` or `=`, any case of keys, comment lines with # or ;, values that
go on in indented lines, a [DEFAULT] section; beyond that, remarks behind a value.
Source: SCALE-Sim 3.0.0, scalesim/scale_config.py and single_layer_sim.py; 2.0 files lack some sections, 1.0 files call
the memories IfmapSramSz.
"""

import re
from dataclasses import dataclass, replace
from os import PathLike

from accel_model.array.dataflow import RECORDS
from accel_model.array.record import UNLIMITED_BYTES_PER_S
from accel_model.design import Design
from accel_model.errors import DesignError
from accel_model.formats.reading import read_text, whole_number

INTERFACES = 3  # ifmap, filter, ofmap
ARRAY = "architecture_presets"
DEFAULT = "default"  # the section whose values stand for those that another one lacks
LEFT_OUT = (  # switches of what this model does not have
    ("sparsity", "SparsitySupport"),
    ("run_presets", "UseRamulatorTrace"),
    ("layout", "IfmapCustomLayout"),
    ("layout", "FilterCustomLayout"),
)
ON = ("true", "yes", "on", "1")
REMARK = re.compile(r"\s[#;].*")
DATAFLOWS = [record.name for record in RECORDS if getattr(record, "scalesim", None)]  # that SCALE-Sim has, too


def load_config(path: str | PathLike, clock_hz: float = 1e9) -> Design:
    """The Design (one row) of a SCALE-Sim configuration file: padded folds, no overlap, its convention of cycles.

    clock_hz: what turns its cycles into seconds. Raises DesignError, with file, line and column, for a file that is not
    such a configuration or asks for sparsity, DRAM traces or memory layouts.
    """
    settings = _read(path)
    for section, name in LEFT_OUT:
        switch = _get(settings, name, section)
        if switch and switch.text.lower() in ON:
            switch.fail(f"{name} is true, which this model leaves out: set it to false")
    dataflow = _need(settings, path, "Dataflow")
    if dataflow.text.lower() not in DATAFLOWS:
        dataflow.fail(f"Dataflow is {dataflow.text!r}: give {', '.join(DATAFLOWS[:-1])} or {DATAFLOWS[-1]}")
    rows, cols = (_need(settings, path, name).positive(name) for name in ("ArrayHeight", "ArrayWidth"))
    memories = [_memory(settings, operand) for operand in ("Ifmap", "Filter", "Ofmap")]
    name = _get(settings, "run_name", "general")
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
        number = whole_number(self.text)
        if number is None:
            self.fail(f"{name} is {self.text[:60]!r}: give a whole number above 0")
        return number


def _read(path):
    """The file's settings as {(section, key), both in lower case: _ConfigValue}; raises DesignError for other lines."""
    settings, section, last = {}, None, None
    for number, line in enumerate(read_text(path, DesignError).splitlines(), 1):
        text = line.strip()
        if not text or text[0] in "#;":
            continue
        column = line.index(text) + 1
        if text.startswith("["):
            end = text.rfind("]")
            if end < 0:
                raise DesignError(f"{path}, line {number}, column {column}: {text[:60]!r} lacks its closing bracket")
            section, last = text[1:end].strip().lower(), None
            continue
        at = min((text.find(mark) for mark in ":=" if mark in text), default=-1)
        if at < 0 and last and line[0].isspace():
            settings[last] = replace(settings[last], text=f"{settings[last].text} {REMARK.sub('', text)}".strip())
            continue
        if at < 1 or section is None:
            expected = "a line `key = value`" if section else "a section such as [general]"
            raise DesignError(f"{path}, line {number}, column {column}: {text[:60]!r} where {expected} belongs")
        value = REMARK.sub("", text[at + 1 :]).strip()
        last = key = (section, text[:at].strip().lower())
        if key in settings:
            raise DesignError(
                f"{path}, line {number}, column {column}: {key[1]} is given in line {settings[key].line} too: keep one"
            )
        column += at + 1 + len(text[at + 1 :]) - len(text[at + 1 :].lstrip())
        settings[key] = _ConfigValue(value, str(path), number, column)
    return settings


def _get(settings, name, section=ARRAY):
    """The value of a key in its section, or in the section of defaults, or None."""
    return settings.get((section, name.lower())) or settings.get((DEFAULT, name.lower()))


def _need(settings, path, name, section=ARRAY):
    value = _get(settings, name, section)
    if value is None:
        raise DesignError(f"{path} has no {name} in [{section}]: add a line such as `{name} : ...`")
    return value


def _memory(settings, operand):
    """KiB of an operand's memory; None where the file does not say."""
    for name in (f"{operand}SramSzkB", f"{operand}SramSz"):
        if value := _get(settings, name):
            return value.positive(name)
    return None


def _bytes_per_s(settings, path, clock_hz):
    mode = _get(settings, "InterfaceBandwidth", "run_presets")
    if mode is None or mode.text.upper() == "CALC":
        return UNLIMITED_BYTES_PER_S
    if mode.text.upper() != "USER":
        mode.fail(f"InterfaceBandwidth is {mode.text[:60]!r}: give CALC or USER")
    given = _need(settings, path, "Bandwidth")
    first = replace(given, text=given.text.split(",")[0].strip())
    return INTERFACES * first.positive("Bandwidth") * clock_hz
