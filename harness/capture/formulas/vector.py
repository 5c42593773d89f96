"""Work outside the MAC array: elementwise ops, reductions, pooling, gathers, copies, FFT.

One elementary operation is one arithmetic function of one element: a sum, product, comparison, division, root,
exponential. What a table does not name costs one per element.
"""

from math import ceil, log2

from accel_model.types import Kind
from harness.capture.formulas.parts import Call, Part, Touch, area, elements_of, read_all
from harness.capture.formulas.vector_tables import (
    COPIES,
    ELEMENTWISE,
    FFT,
    FILLS,
    GATHERS,
    POOL,
    REDUCE,
    SCATTERS,
    SHAPE_ONLY,
    WHOLE_GATHERS,
    WRITE_ONLY,
)


def whole(call: Call, kind: Kind = Kind.ELEMENTWISE, vector_ops: int = 0) -> list[Part]:
    """One row that reads every input and writes every output whole; what is written only is not read."""
    overwritten = call.changed if call.info.base in WRITE_ONLY else ()
    skip = call.arguments.get(SHAPE_ONLY.get(call.info.base))
    reads = tuple(Touch(t) for t in call.inputs if t is not skip and not any(t is o for o in overwritten))
    return [Part(kind, reads, tuple(Touch(t) for t in call.written), vector_ops=vector_ops)]


def elementwise(call: Call) -> list[Part]:
    cost = ELEMENTWISE.get(call.info.base, 1)
    return whole(call, Kind.ELEMENTWISE, cost * _written_elements(call))


def reduce(call: Call) -> list[Part]:
    largest = max((t.numel() for t in call.inputs), default=0)
    elements = elements_of(*call.inputs) if call.info.name.startswith("aten::_foreach") else largest
    return whole(call, Kind.REDUCE, REDUCE.get(call.info.base, 1) * elements)


def pool(call: Call) -> list[Part]:
    window = POOL[call.info.base]
    largest = max(t.numel() for t in (*call.inputs, *call.written))
    if window is None:
        return whole(call, Kind.POOL, largest)
    taps = call[window]
    grad_or_out = call["grad_output"] if "grad_output" in call.info.arguments else call.written[0]
    axes = 3 if "3d" in call.info.base else 1 if "1d" in call.info.base else 2
    taps = area(taps) if len(taps) == axes else area(taps) ** axes
    return whole(call, Kind.POOL, taps * grad_or_out.numel())


def copy(call: Call) -> list[Part]:
    return whole(call, Kind.COPY)


def fill(call: Call) -> list[Part]:
    """Writes only: where there is an input, its shape alone is used."""
    return [Part(Kind.COPY, (), read_all(*call.written))]


def gather(call: Call) -> list[Part]:
    """Reads of the source as many elements as come out (for a loss: as there are targets), at most what it has."""
    name = GATHERS[call.info.base]
    source = call[name] if name in call.info.arguments else call.inputs[0]
    wanted = elements_of(call["target"]) if "target" in call.info.arguments else call.written[0].numel()
    if call.info.base.startswith("_embedding_bag"):
        wanted = call["indices"].numel() * source.shape[1]
    elements = min(wanted, source.numel())
    reads = [Touch(t) for t in call.inputs if t is not source]
    return [Part(Kind.GATHER, (Touch(source, elements=elements), *reads), read_all(*call.written), vector_ops=wanted)]


def scatter(call: Call) -> list[Part]:
    """In place: the elements that change are read and written. Otherwise the whole output is written."""
    name = SCATTERS[call.info.base]
    values = call.arguments.get(name) if name else None
    index = call.arguments.get("index")
    moved = max((t.numel() for t in (values, index) if hasattr(t, "numel")), default=call["self"].numel())
    others = [Touch(t) for t in call.inputs if t is not call["self"]]
    if call.fresh:
        return [Part(Kind.GATHER, (Touch(call["self"]), *others), read_all(*call.fresh), vector_ops=moved)]
    target = call["self"]
    moved = min(moved, target.numel())
    touched = (Touch(target, elements=moved),)
    accumulates = call.arguments.get("accumulate", False) or "add" in call.info.base or "reduce" in call.info.base
    return [Part(Kind.GATHER, (touched if accumulates else ()) + tuple(others), touched, vector_ops=moved)]


def whole_gather(call: Call) -> list[Part]:
    return whole(call, Kind.GATHER, max((t.numel() for t in call.inputs), default=0))


def fft(call: Call) -> list[Part]:
    """5 N log2 N elementary operations for a complex transform of N points, half of that for a real one.

    Source: the convention of Cooley and Tukey's radix-2 count, as FFTW's benchmarks use it (fftw.org/speed).
    """
    data = call["self"] if call.info.base == "_fft_r2c" else call.written[0]
    points = area(data.shape[axis] for axis in call["dim"])
    factor = 5 if call.info.base == "_fft_c2c" else 2.5
    return whole(call, Kind.ELEMENTWISE, ceil(factor * data.numel() * max(log2(max(points, 1)), 1)))


def _written_elements(call):
    """Of an op on lists all its outputs; otherwise the largest, the others being masks and statistics beside it."""
    many = call.info.name.startswith(("aten::_foreach_", "aten::_fused_", "aten::_amp_foreach_"))
    return elements_of(*call.written) if many else max((t.numel() for t in call.written), default=0)


FORMULAS = (
    dict.fromkeys(ELEMENTWISE, elementwise)
    | dict.fromkeys(REDUCE, reduce)
    | dict.fromkeys(POOL, pool)
    | dict.fromkeys(COPIES, copy)
    | dict.fromkeys(FILLS, fill)
    | dict.fromkeys(GATHERS, gather)
    | dict.fromkeys(SCATTERS, scatter)
    | dict.fromkeys(WHOLE_GATHERS, whole_gather)
    | dict.fromkeys(FFT, fft)
)
