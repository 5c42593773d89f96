"""rs: a filter row stays in a PE, a column of PEs makes an output row; a GEMM is a convolution of one pixel.

A set is filter_rows x cols PEs. The rows of an output plane are spread over sets first; sets that are left over take
other filters or images. A PE sums up the filter rows of as many channels as its scratchpad holds, then takes one more
cycle to add what the PE below has.
Source: Chen, Krishna, Emer, Sze, "Eyeriss", IEEE JSSC 52(1), 2017, and Chen, Emer, Sze, ISCA 2016.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from accel_model.array.record import Arrays, WholeDataflow
from accel_model.arrays import Array, ceil_div, choose, floor_div, larger, smaller

if TYPE_CHECKING:
    from accel_model.work.units import Units

INPUT_WORDS = 12  # a PE's input scratchpad, in elements: rows of several channels are summed up while they fit
FILTERS_AT_ONCE = 16  # filters that a PE works on at a time
"""Source: Chen et al., JSSC 2017, section IV and Table V (mapping parameters)."""


@dataclass(frozen=True, eq=False)
class Planes:
    """Convolutions as a row-stationary array sees them: ints, or arrays that broadcast, of whole numbers above 0."""

    rows_out: object  # rows of an output plane
    pixels: object  # of an output row
    filters: object  # output channels of a group
    channels: object  # input channels of a group
    filter_rows: object
    filter_cols: object
    images: object = 1
    groups: object = 1


def cycles(planes: Planes, arrays: Arrays) -> Array:
    """Cycles of a row-stationary convolution, of the core that takes longest: docs/model.md, (14).

    planes: Planes; arrays: Arrays. Returns int64 (or float64, as given) of the broadcast shape.
    """
    _, copies, passes = _row_sets(planes.rows_out, planes.filter_rows, arrays.rows, arrays.cols)
    work = ceil_div(planes.images * planes.filters, copies * arrays.cores)
    folded = ceil_div(planes.filter_rows, arrays.rows)
    per_pixel = planes.channels * planes.filter_cols + _sums(planes.channels, planes.filter_cols)
    return planes.groups * passes * folded * work * planes.pixels * per_pixel


def active_pes(rows_out: Array, filter_rows: Array, rows: Array, cols: Array) -> Array:
    """int64, PEs that a convolution keeps busy; rows_out, filter_rows: as in Planes; rows, cols: of the array."""
    sets, copies, passes = _row_sets(rows_out, filter_rows, rows, cols)
    return smaller(filter_rows, rows) * smaller(ceil_div(rows_out, passes), sets * cols) * copies


def run(units: Units, arrays: Arrays) -> tuple[Array, Array]:
    """(cycles, buffer bytes) of Units on Arrays: docs/model.md, (14) and (15).

    Inputs are read once for every FILTERS_AT_ONCE filters, filters once per pass; partial sums go to the buffer and
    back.
    """
    is_conv = units.filter_rows > 0
    filter_rows, filter_cols = larger(units.filter_rows, 1.0), larger(units.filter_cols, 1.0)
    planes = Planes(
        rows_out=choose(is_conv, units.image_rows, units.m),
        pixels=choose(is_conv, units.row_pixels, 1.0),
        filters=units.n,
        channels=units.k / (filter_rows * filter_cols),
        filter_rows=filter_rows,
        filter_cols=filter_cols,
        images=choose(is_conv, units.images, 1.0),
        groups=units.groups,
    )
    _, _, passes = _row_sets(planes.rows_out, filter_rows, arrays.rows, arrays.cols)
    leaves = 2 * _sums(planes.channels, filter_cols) - 1
    sums = units.groups * units.m * units.n * arrays.accumulator_bytes * leaves
    moved = units.a_bytes * ceil_div(units.n, FILTERS_AT_ONCE) + units.b_bytes * passes + sums
    return cycles(planes, arrays), moved


def _row_sets(rows_out, filter_rows, rows, cols):
    """(sets that share a plane, copies of those, passes over the plane's rows)."""
    fitting = larger(floor_div(rows, filter_rows), 1)
    strips = ceil_div(rows_out, cols)
    sets = smaller(fitting, strips)
    return sets, floor_div(fitting, sets), ceil_div(rows_out, sets * cols)


def _sums(channels, filter_cols):
    """Times that each partial sum leaves its PE."""
    at_once = larger(floor_div(0 * filter_cols + INPUT_WORDS, filter_cols), 1)
    return ceil_div(channels, at_once)


RECORD = WholeDataflow(name="rs", number=3, run=run)
