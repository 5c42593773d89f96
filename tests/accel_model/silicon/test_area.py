"""The area proxy: laws, a published chip within the factors that its docstring states, sources of all constants."""

from dataclasses import replace

import numpy as np
import pytest

from accel_model import Design
from accel_model.formats.reading import read_table
from accel_model.silicon.area import area_mm2, mac_um2
from accel_model.types import PRECISIONS


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("rows", [8, 16, 64]),
        ("cores", [1, 2, 16]),
        ("buffer_bytes", [2**10, 2**20, 2**26]),
        ("vector_lanes", [1, 64, 1024]),
        ("dram_bytes_per_s", [1e9, 1e11, 1e13]),
        ("accumulator_bytes", [2, 4, 8]),
        ("node_nm", [3.0, 7.0, 45.0, 65.0]),
        ("mac_rate", [1.0, 2.0, 4.0]),
    ],
)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_more_of_anything_is_larger(field, values, precision):
    area = area_mm2(Design.grid(**{field: values}), precision)
    assert (np.diff(area) > 0).all() and (area > 0).all()


def test_wider_formats_take_larger_mac_units():
    order = ["int8", "fp8", "fp16", "fp32"]
    sizes = [mac_um2(precision) for precision in order]
    assert sizes == sorted(sizes) and len(set(sizes)) == 4
    assert mac_um2("int8") == 282 + 137 and mac_um2("fp32") == 7700 + 4184  # at 45 nm, as published


def test_area_adds_up_over_a_stack_of_designs():
    designs = Design.stack([Design.load(name) for name in ("seed", "tpu_v1", "eyeriss")])
    alone = [area_mm2(Design.load(name), "int8")[0] for name in ("seed", "tpu_v1", "eyeriss")]
    np.testing.assert_allclose(area_mm2(designs, "int8"), alone, rtol=1e-15)


def test_tpu_v1s_parts_beside_its_floor_plan():
    """Jouppi et al., ISCA 2017, figure 2: matrix unit 24 %, unified buffer 29 % of at most 331 mm2."""
    whole = replace(Design.load("tpu_v1"), dram_bytes_per_s=np.array([1e-3]), vector_lanes=np.array([1]))
    array = area_mm2(replace(whole, buffer_bytes=np.array([1])), "int8")[0]
    one_pe = replace(whole, rows=np.array([1]), cols=np.array([1]), buffer_bytes=np.array([24 * 2**20]))
    assert array / (0.24 * 331) == pytest.approx(0.3, abs=0.05)
    assert area_mm2(one_pe, "int8")[0] / (0.29 * 331) == pytest.approx(0.8, abs=0.1)


def test_every_constant_has_its_source():
    rows = read_table("data/area_per_part.csv", ("source", "confidence"))
    assert len(rows) == 9
    assert all(row["source"] and row["confidence"] in ("verified", "recalled") for row in rows)
