"""What a reader must know of the machine's state is told."""

import pytest

from baselines import remarks


@pytest.mark.parametrize(
    ("context", "says"),
    [
        ({}, []),
        ({"other_processes": 2}, ["2 other processes"]),
        ({"load_average": 9.0, "cpus": 2}, ["9.0 processes wanted its 2 CPUs"]),
        ({"load_average": 2.0, "cpus": 2}, []),
        ({"slowdown_reasons": "idle"}, []),
        ({"slowdown_reasons": "idle,software_power_cap"}, ["bound by the board's power limit"]),
        ({"slowdown_reasons": "software_power_cap", "power_limit_w": 700.0}, ["power limit of 700 W"]),
        ({"slowdown_reasons": "software_thermal,hardware_power_brake"}, ["hardware_power_brake, software_thermal"]),
    ],
)
def test_a_busy_or_slowed_device_is_told(context, says):
    found = remarks(context)
    assert len(found) == len(says) and all(part in text for part, text in zip(says, found, strict=True))
