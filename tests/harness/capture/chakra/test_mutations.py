"""Any change to an execution trace gives a trace or one error of ours, in bounded time."""

import copy
import json
import random
import time

import pytest

from accel_model import Trace
from accel_model.errors import TraceError
from harness.capture.chakra import file
from harness.settings.errors import CaptureError
from tests.helpers.execution_traces import classifier, perceptron, record

ODD = (
    *(
        None,
        True,
        False,
        0,
        1,
        -1,
        2**31,
        2**53,
        2**63,
        2**64,
        10**400,
        0.5,
        -1e308,
        "",
        "1",
        "x" * 300,
        "\ud800",
        "\x1b[0m",
    ),
    *([], {}, [[]], [None], [0] * 70, [[[[[[[[[[1]]]]]]]]]], {"a": 1}, "Tensor(float)", "GenericList[Tensor(float)]"),
    *(
        "GenericList[GenericList[Tensor(float),Tensor(float)]]",
        "Tensor(",
        "aten::add.Tensor(",
        "Optimizer.step#",
        "<None>",
    ),
)
ROUNDS = 50


def places(value, found):
    """Every (container, key) below a value."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        found.append((value, key))
        places(inner, found)
    return found


def mutate(document, rng):
    """Some random changes of a copy: values replaced, swapped, left out, repeated; nodes moved."""
    document = copy.deepcopy(document)
    for _ in range(rng.randint(1, 4)):
        nodes = document.get("nodes")
        within = rng.choice(nodes) if isinstance(nodes, list) and nodes and rng.random() < 0.95 else document
        holder, key = rng.choice(places(within, [(document, "nodes")]) or [(document, "nodes")])
        if key not in holder if isinstance(holder, dict) else key >= len(holder):
            continue
        kind = rng.randrange(6)
        if kind == 0:
            holder[key] = copy.deepcopy(rng.choice(ODD))
        elif kind == 1 and isinstance(holder[key], int):
            holder[key] = holder[key] + rng.choice((-1, 1, 2**20, 2**40, -(2**40)))
        elif kind == 2:
            del holder[key]
        elif kind == 3 and isinstance(holder, list):
            holder.insert(rng.randrange(len(holder) + 1), copy.deepcopy(holder[key]))
        elif kind == 4 and isinstance(nodes, list) and len(nodes) > 1:
            one, other = rng.sample(range(len(nodes)), 2)
            for name in ("inputs", "outputs", "name", "attrs", "id", "ctrl_deps"):
                if rng.random() < 0.3 and all(isinstance(nodes[i], dict) and name in nodes[i] for i in (one, other)):
                    nodes[one][name], nodes[other][name] = nodes[other][name], nodes[one][name]
        elif kind == 5 and isinstance(nodes, list) and nodes:
            del nodes[rng.randrange(len(nodes))]
    return document


@pytest.fixture(scope="module")
def documents(tmp_path_factory):
    folder = tmp_path_factory.mktemp("et")
    paths = [
        record(classifier(), folder / "one.json"),
        record(perceptron(), folder / "two.json", ["ProfilerStep#0"] * 2),
    ]
    return [json.loads(path.read_text()) for path in paths]


@pytest.mark.parametrize("seed", range(4))
def test_any_change_gives_a_trace_or_an_error_of_ours(seed, documents, tmp_path):
    rng, path = random.Random(seed), tmp_path / "et.json"
    for _ in range(ROUNDS):
        path.write_text(json.dumps(mutate(rng.choice(documents), rng)))
        start = time.process_time()
        try:
            trace = file.load(path)
        except CaptureError as error:
            assert isinstance(error, TraceError)
            assert str(error).isprintable()
            assert len(str(error)) < 1000
        else:
            assert isinstance(trace, Trace)
            trace.save(tmp_path / "trace.halfstep")
        assert time.process_time() - start < 5


@pytest.mark.parametrize("seed", range(2))
def test_any_damage_to_the_bytes_gives_a_trace_or_an_error_of_ours(seed, documents, tmp_path):
    rng, path = random.Random(seed), tmp_path / "et.json"
    content = json.dumps(documents[1]).encode()
    for _ in range(ROUNDS):
        data = bytearray(content)
        for _ in range(rng.randint(1, 20)):
            place = rng.randrange(len(data))
            data[place : place + rng.randrange(3)] = rng.choice(
                (b"", b"[", b"}", b'"', b",", b"9", b"-", b"\\u", b"\xff")
            )
        path.write_bytes(bytes(data[: rng.choice((len(data), rng.randrange(len(data))))]))
        try:
            assert isinstance(file.load(path), Trace)
        except CaptureError as error:
            assert str(error).isprintable()
