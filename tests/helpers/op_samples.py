"""Arguments for operators, made from their schemas: small tensors of shapes and types that are tried in turn."""

import itertools

import torch

SHAPES = ((4, 6), (2, 4, 8, 8), (2, 4, 8), (2, 4, 8, 8, 8), (6,), (), (4, 4), (4, 3))
DTYPES = (torch.float32, torch.int64, torch.bool, torch.complex64)
INDICES = {"index", "indices", "target", "targets", "sorter", "repeats"}
MASKS = {"mask", "mask_indices"}
WINDOWS = {"kernel_size": 2, "stride": 2, "padding": 1, "dilation": 1, "output_padding": 0, "pad": 1}


def ops_named(wanted) -> list:
    """All overloads of aten ops that `wanted(overload)` takes, without those that write to out=."""
    found = []
    for name in sorted(torch._C._dispatch_get_all_op_names()):
        space, _, rest = name.partition("::")
        packet, _, overload = rest.partition(".")
        if space != "aten":
            continue
        op = getattr(getattr(torch.ops.aten, packet, None), overload or "default", None)
        if op is not None and not any(a.is_out for a in op._schema.arguments) and wanted(op):
            found.append(op)
    return found


def samples(op, special=None):
    """Yield (args, kwargs) for an operator, most ordinary first; `special` are the ones written by hand."""
    if special is not None:
        yield special() if callable(special) else special
        return
    for shape, dtype, optional in itertools.product(SHAPES, DTYPES, (False, True)):
        args, kwargs = [], {}
        for a in op._schema.arguments:
            given = _value(a, shape, dtype, optional)
            if a.has_default_value() and not (optional and "Tensor" in str(a.type)):
                continue
            if a.kwarg_only or len(args) < op._schema.arguments.index(a):
                kwargs[a.name] = given
            else:
                args.append(given)
        yield args, kwargs


def tensor(shape, dtype):
    if dtype.is_floating_point or dtype.is_complex:
        return torch.rand(shape, dtype=dtype)
    return torch.zeros(shape, dtype=dtype) if dtype is torch.bool else torch.randint(0, 2, shape, dtype=dtype)


def _value(a, shape, dtype, optional):
    kind, name = str(a.type), a.name
    axes = max(len(shape) - 2, 1)
    if kind in ("Tensor", "Optional[Tensor]"):
        if kind.startswith("Optional") and not optional:
            return None
        if name in INDICES:
            return tensor(shape, torch.int64)
        return tensor(shape, torch.bool if name in MASKS else dtype)
    if kind in ("List[Tensor]", "List[Optional[Tensor]]"):
        return [tensor(shape, dtype)] * 2 if name != "indices" else [tensor(shape[:1], torch.int64)]
    if kind == "List[int]" or kind == "Optional[List[int]]":
        if name in WINDOWS:
            return [WINDOWS[name]] * axes
        if name == "output_size":
            return [4] * axes
        if name in ("size", "sizes", "input_size", "input_sizes", "self_size"):
            return list(shape)
        return [0] if name == "dim" else [1] * len(shape)
    if kind in ("List[float]", "Optional[List[float]]"):
        return [2.0] * axes
    if kind.startswith("List[bool]"):
        return [True] * (a.N or 3)
    if kind in ("int", "Optional[int]", "number", "Optional[number]", "float", "Optional[float]"):
        plain = {"dim": 0, "axis": 0, "start_dim": 0, "dim0": 0, "dim1": 1, "index": 0, "start": 0}
        given = plain.get(name, 0.5 if "float" in kind else 1)
        return float(given) if "float" in kind else given
    if kind == "bool":
        return False
    if kind == "List[number]":
        return [1, 1]
    return {"str": "none", "Optional[str]": None}.get(kind)
