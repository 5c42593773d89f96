"""Everything that capture uses of torch beyond its documented interface.

Each function says what it relies on, and tests/harness/capture/test_torch_private.py holds it to that. Nothing else of
the harness names a private attribute of torch, torch_operators.py excepted.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial

import torch
from torch._subclasses.fake_tensor import unset_fake_temporarily
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.hooks import RemovableHandle


def sequence_number() -> int:
    """The sequence number of the newest autograd node of this thread, or -1: below autograd, the running op's own."""
    return torch.autograd._get_sequence_nr() - 1


def backward_node() -> torch.autograd.graph.Node | None:
    """The autograd node that the engine runs in this thread, or None outside a backward pass."""
    return torch._C._current_autograd_node()


def node_sequence_number(node: torch.autograd.graph.Node) -> int:
    """The sequence number that `node` got when its forward op ran."""
    return node._sequence_nr()


def storage_key(storage: torch.UntypedStorage) -> int:
    """An address that no other live storage has; it is used again after the storage dies."""
    return storage._cdata


def schema_of(op: Callable) -> torch.FunctionSchema:
    """The schema of an operator: arguments with name, default and alias_info, returns."""
    return op._schema


def operator(space: str, name: str, overload: str) -> Callable | None:
    """The operator overload torch.ops.SPACE.NAME.OVERLOAD, or None where none of that name is loaded."""
    from torch._ops import OpOverload

    try:
        found = getattr(getattr(getattr(torch.ops, space), name), overload)
    except (AttributeError, RuntimeError, ValueError):
        return None
    return found if isinstance(found, OpOverload) else None


def is_composite(op: Callable) -> bool:
    """Whether torch replaces an operator by others before autograd sees it, on every device that has no own kernel.

    The dispatcher is asked alone: decompositions that Python registers for tracing are no way in which an op runs.
    """
    return torch._C._dispatch_has_kernel_for_dispatch_key(op.name(), "CompositeImplicitAutograd")


def is_operator(op: Callable) -> bool:
    """Whether `op` is an operator with a schema and kernels, and no control flow of torch's."""
    return isinstance(op, torch._ops.OpOverload)


def made_of_others(op: Callable, explicit: bool) -> Callable | None:
    """The kernel of an operator that calls other ops, or None where it has no such kernel.

    Without autograd (inference mode, inside a subclass) those arrive whole that autograd otherwise takes apart.
    explicit: those too that have a gradient of their own, and so always arrive whole; views are left as they are.
    """
    kinds = ["CompositeImplicitAutograd"]
    views = any(out.alias_info is not None and not out.alias_info.is_write for out in op._schema.returns)
    if explicit and not views and op._schema.name != "aten::_unsafe_view":
        kinds += ["CompositeExplicitAutograd", "CompositeExplicitAutogradNonFunctional"]
    found = [kind for kind in kinds if torch._C._dispatch_has_kernel_for_dispatch_key(op.name(), kind)]
    return partial(op._op_dk, getattr(torch._C.DispatchKey, found[0])) if found else None


def has_kernel(op: Callable, tensors: Sequence[torch.Tensor]) -> bool:
    """Whether an operator has a kernel of its own for one of the tensors' kinds, the CPU's where there are none."""
    backends = {_backend(tensor) for tensor in tensors} or {"CPU"}
    return any(torch._C._dispatch_has_kernel_for_dispatch_key(op.name(), backend) for backend in backends)


LAYOUT_KEYS = {torch.strided: "", torch.sparse_coo: "Sparse", torch._mkldnn: "Mkldnn"}  # names of the dispatcher
DEVICE_KEYS = {"cpu": "CPU", "cuda": "CUDA", "xpu": "XPU", "mps": "MPS", "meta": "Meta"}


def _backend(tensor):
    kind = "NestedTensor" if tensor.is_nested else LAYOUT_KEYS.get(tensor.layout, "SparseCsr")
    kind = "Quantized" if tensor.is_quantized else kind
    return kind + DEVICE_KEYS.get(tensor.device.type, "PrivateUse1")


def comes_first_after_a_step(optimizer: torch.optim.Optimizer, hook: RemovableHandle) -> None:
    """Let a post hook of an optimiser's step run before its others."""
    optimizer._optimizer_step_post_hooks.move_to_end(hook.id, last=False)


def fake_tensor_types() -> tuple[type, ...]:
    """Tensor types that stand for plain tensors under a dispatch mode."""
    from torch._subclasses.fake_tensor import FakeTensor

    return (FakeTensor,)


def fake_mode() -> AbstractContextManager:
    """A mode in which tensors have shapes and no memory; copy.deepcopy of a model made in it stays in it."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    mode = FakeTensorMode()
    mode.__deepcopy__ = lambda memo: mode  # a fake tensor's attributes, its mode among them, are copied with it
    return mode


def fake_mode_is_active() -> bool:
    """Whether tensors made now are fake."""
    from torch._guards import active_fake_mode

    return active_fake_mode() is not None


@contextmanager
def quiet_fake_tensors() -> Iterator[None]:
    """Keep the tracebacks that fake tensors log before they raise from the terminal: the error says it all."""
    logger = logging.getLogger("torch._subclasses.fake_tensor")
    before = logger.disabled
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = before


def needs_values(error: BaseException) -> bool:
    """Whether `error` says that a fake tensor was asked for values."""
    from torch._subclasses import fake_tensor

    kinds = [getattr(fake_tensor, name) for name in ("DataDependentOutputException", "DynamicOutputShapeException")]
    return isinstance(error, tuple(kinds)) or "GuardOnDataDependent" in type(error).__name__


@contextmanager
def on_backward(enter: Callable, leave: Callable) -> Iterator[None]:
    """Call `enter(create_graph, gradients)` before each run of the autograd engine, nested too, and `leave()` after."""
    original = torch.autograd._engine_run_backward

    def run(t_outputs, grad_tensors, keep_graph, create_graph, *args, **kwargs):
        enter(create_graph, grad_tensors)
        try:
            return original(t_outputs, grad_tensors, keep_graph, create_graph, *args, **kwargs)
        finally:
            leave()

    torch.autograd._engine_run_backward = run
    try:
        yield
    finally:
        torch.autograd._engine_run_backward = original


def accumulates(node: torch.autograd.graph.Node) -> bool:
    """Whether an autograd node adds to the gradient of a leaf, its `variable`."""
    return "AccumulateGrad" in node.name()


def initialisers() -> dict[str, Callable]:
    """{name: function} of torch.nn.init that fill a tensor, their private inner functions included.

    The inner ones serve code that imported the outer ones by name.
    """
    names = [n for n in vars(torch.nn.init) if n.endswith("_") and not n.startswith("__")]
    return {n: getattr(torch.nn.init, n) for n in names if callable(getattr(torch.nn.init, n))}


@contextmanager
def initialisation_does_nothing() -> Iterator[None]:
    """While this context is open, the functions of torch.nn.init leave their tensor as it is and return it."""

    def unchanged(tensor, *args, **kwargs):
        return tensor

    functions = initialisers()
    try:
        for name in functions:
            setattr(torch.nn.init, name, unchanged)
        yield
    finally:
        for name, function in functions.items():
            setattr(torch.nn.init, name, function)


def uncompiled(module: torch.nn.Module) -> torch.nn.Module:
    """The module inside the wrapper of torch.compile, or the module itself."""
    return getattr(module, "_orig_mod", module)


def is_compiled(module: torch.nn.Module) -> bool:
    """Whether a module was wrapped by torch.compile, or compiles its own call."""
    return hasattr(module, "_orig_mod") or getattr(module, "_compiled_call_impl", None) is not None


@contextmanager
def foreach_takes_fake_tensors() -> Iterator[None]:
    """While this context is open, clipping and optimisers choose foreach forms for fake tensors as for real ones."""
    from torch.utils import _foreach_utils

    added = [kind for kind in fake_tensor_types() if kind not in _foreach_utils._foreach_supported_types]
    _foreach_utils._foreach_supported_types.extend(added)
    try:
        yield
    finally:
        for kind in added:
            _foreach_utils._foreach_supported_types.remove(kind)


@contextmanager
def modules_convert_fake_tensors() -> Iterator[None]:
    """While this context is open, Module.to and its like work on fake parameters.

    Module._apply swaps them with torch.utils.swap_tensors, which refuses them for the weak references that a fake mode
    holds to each; setting `data` does the same for tensors of one device.
    """
    original = torch.utils.swap_tensors

    def set_data(tensor, other):
        if isinstance(tensor, fake_tensor_types()):
            if tensor.device != other.device:
                raise RuntimeError(f"a fake parameter on {tensor.device} is moved to {other.device}")
            tensor.data = other
        else:
            original(tensor, other)

    torch.utils.swap_tensors = set_data
    try:
        yield
    finally:
        torch.utils.swap_tensors = original


def is_plain_type(kind: type) -> bool:
    """Whether tensors of a type stand for themselves under a dispatch mode: plain ones, parameters, fake ones."""
    return kind.__torch_dispatch__ == torch.Tensor.__torch_dispatch__ or issubclass(kind, fake_tensor_types())


def unwrapped(tensor: torch.Tensor) -> torch.Tensor:
    """The plain tensor inside the wrappers that torch.func puts around it."""
    functorch = torch._C._functorch
    while functorch.is_functorch_wrapped_tensor(tensor):
        tensor = functorch.get_unwrapped(tensor)
    return tensor


@contextmanager
def small_values_are_known(mode: AbstractContextManager, elements: int = 4096) -> Iterator[None]:
    """While this context is open, fake tensors of at most `elements` numbers keep their values where they can.

    Models compute widths and drop rates from arange and linspace while they are built; a fake tensor keeps the values
    of a constant, but no more than CONSTANT_NUMEL_LIMIT of them and not those of a factory.
    """
    from torch._subclasses import fake_tensor

    limit = fake_tensor.CONSTANT_NUMEL_LIMIT
    fake_tensor.CONSTANT_NUMEL_LIMIT = elements
    try:
        with _KnownFactories(mode, elements):
            yield
    finally:
        fake_tensor.CONSTANT_NUMEL_LIMIT = limit


def every_op(run: Callable[[Callable, tuple, dict], object]) -> AbstractContextManager:
    """A context in which `run(op, arguments, keyword arguments)` is called in place of every op and returns its output.

    Ops that `run` calls itself come through as they are.
    """
    return _EveryOp(run)


class _EveryOp(TorchDispatchMode):
    """Hands every op to a function."""

    def __init__(self, run):
        super().__init__()
        self._run = run

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        return self._run(op, args, kwargs or {})


class _KnownFactories(TorchDispatchMode):
    """Gives the results of small factories their values, and keeps fake tensors on the CPU."""

    NAMES = ("aten::arange", "aten::linspace", "aten::logspace", "aten::full", "aten::eye")

    def __init__(self, mode, elements):
        super().__init__()
        self._mode, self._elements = mode, elements

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        device = (kwargs or {}).get("device")
        if device is not None and torch.device(device).type not in ("cpu", "meta"):
            raise RuntimeError(f"a fake tensor is wanted on {device}")  # its first use can end the process
        made = op(*args, **(kwargs or {}))
        small = isinstance(made, fake_tensor_types()) and 0 < made.numel() <= self._elements
        if not small or op.name().partition(".")[0] not in self.NAMES:
            return made
        with unset_fake_temporarily():
            real = op(*args, **(kwargs or {}))
        return self._mode.fake_tensor_converter.from_real_tensor(self._mode, real, make_constant=True)


def views_are_replayed() -> AbstractContextManager:
    """A context in which the gradient of a changed view is traced through the view itself.

    Fake tensors always do so; real ones otherwise go through as_strided, which is the same work in other ops.
    """
    return torch.autograd._force_original_view_tracking(True)


def allow_tf32() -> dict[str, bool]:
    """{"matmul", "convolution": whether the GPU may round fp32 operands to TF32}, by the older or the newer setting.

    Each refuses to be read once the other was written.
    """
    found = {}
    for name, backend in (("matmul", torch.backends.cuda.matmul), ("convolution", torch.backends.cudnn)):
        try:
            found[name] = bool(backend.allow_tf32)
        except RuntimeError:
            newer = backend if name == "matmul" else backend.conv
            found[name] = newer.fp32_precision == "tf32"
    return found


def components(tensor: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The plain tensors that hold what `tensor` shows, its values last; none where they are hidden (oneDNN's format).

    A sparse tensor is its indices and values, a nested one its buffer, a wrapper what it holds, a plain one itself.
    """
    if not isinstance(tensor, torch.Tensor):
        return (tensor,)
    if tensor.layout is torch.sparse_coo:
        return tensor._indices(), tensor._values()
    if tensor.layout in (torch.sparse_csr, torch.sparse_bsr):
        return tensor.crow_indices(), tensor.col_indices(), tensor.values()
    if tensor.layout in (torch.sparse_csc, torch.sparse_bsc):
        return tensor.ccol_indices(), tensor.row_indices(), tensor.values()
    inner = _held(tensor)
    if inner:
        return tuple(piece for one in inner for piece in components(one))
    if tensor.layout is not torch.strided:
        return ()
    return (tensor.values(),) if tensor.is_nested else (tensor,)


def _held(tensor):
    """The tensors that a wrapper subclass holds: those that it names itself, or else all of its attributes."""
    if is_plain_type(type(tensor)):
        return []
    if hasattr(tensor, "__tensor_flatten__"):
        return [getattr(tensor, name) for name in tensor.__tensor_flatten__()[0]]
    if not _is_wrapper(tensor):
        return []
    return [value for value in vars(tensor).values() if isinstance(value, torch.Tensor)]


def _is_wrapper(tensor):
    """Whether a tensor subclass has no memory behind it."""
    try:
        return not tensor.untyped_storage().data_ptr()
    except RuntimeError:
        return True


def nested_sizes(tensor: torch.Tensor) -> list[list[int]]:
    """The shape of each piece of a strided nested tensor."""
    return tensor._nested_tensor_size().tolist()
