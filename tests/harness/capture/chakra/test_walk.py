"""What a recorded call is made of is counted where capture counts it; no tensor of the step comes from the host."""

import json

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from accel_model.types import Phase, Role
from harness.capture import capture
from harness.capture.chakra import file
from harness.settings.errors import CaptureError
from tests.helpers.execution_traces import changed, classifier, node_named, perceptron, record, step_of


def host_bytes(trace):
    return int(trace.tensors.bytes[trace.tensors.role == Role.INPUT].sum())


def products(trace):
    ops = trace.ops
    found = np.flatnonzero(ops.macs)
    return sorted((int(ops.phase[i]), *(int(x[i]) for x in (ops.groups, ops.m, ops.n, ops.k))) for i in found)


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(20, 16)
        self.layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.2, batch_first=True)
        self.out = nn.Linear(16, 10)

    def forward(self, x):
        return self.out(self.layer(self.words(x)).mean(1))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru, self.out = nn.GRU(8, 8, batch_first=True, dropout=0.1, num_layers=2), nn.Linear(8, 10)

    def forward(self, x):
        return self.out(self.gru(x)[0][:, -1])


MODELS = {
    "pooling, dropout": (
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.MaxPool2d(2), nn.Dropout2d(0.3), nn.Flatten(), nn.Linear(36, 10)),
        (2, 3, 8, 8),
    ),
    "adaptive pooling": (lambda: nn.Sequential(nn.AdaptiveMaxPool2d(2), nn.Flatten(), nn.Linear(12, 10)), (2, 3, 8, 8)),
    "fractional and unpooled": (
        lambda: nn.Sequential(nn.FractionalMaxPool2d(2, output_size=4), nn.Flatten(), nn.Linear(48, 10)),
        (2, 3, 8, 8),
    ),
    "normalisation": (
        lambda: nn.Sequential(
            nn.BatchNorm1d(16), nn.Linear(16, 8), nn.LayerNorm(8), nn.GroupNorm(2, 8), nn.Linear(8, 10)
        ),
        (4, 16),
    ),
    "activations": (
        lambda: nn.Sequential(nn.Linear(16, 8), nn.PReLU(), nn.GELU(), nn.RReLU(), nn.Softmax(-1), nn.Linear(8, 10)),
        (4, 16),
    ),
    "attention": (Transformer, None),
    "recurrent": (Recurrent, (2, 5, 8)),
}


def model_step(name, autocast=False):
    build, shape = MODELS[name]
    x = torch.randn(shape) if shape else torch.randint(20, (2, 6))
    return step_of(build(), x, torch.zeros(len(x), dtype=torch.long), autocast=autocast)


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_the_host_sends_inputs_and_targets_alone(name, autocast, tmp_path):
    step = model_step(name, autocast)
    trace = file.load(record(step, tmp_path / "et.json"))
    assert host_bytes(trace) == step.inputs.nbytes + step.targets.nbytes


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("name", [name for name in MODELS if name != "recurrent"])
def test_products_and_their_phases_are_those_of_the_capture(name, autocast, tmp_path):
    trace = file.load(record(model_step(name, autocast), tmp_path / "et.json"))
    assert products(trace) == products(capture(model_step(name, autocast)))


def test_two_passes_without_an_optimiser_tell_weights_by_their_gradients(tmp_path):
    weight = torch.randn(6, 5, requires_grad=True)
    x = torch.randn(2, 6)
    macs = file.load(record(lambda: (x @ weight).sum().backward(), tmp_path / "et.json")).macs_by_phase()
    assert (macs["dgrad"], macs["wgrad"]) == (0, 2 * 6 * 5)


def test_a_composite_call_whose_parts_are_missing_is_counted_itself(tmp_path):
    path = record(perceptron(), tmp_path / "et.json")

    def bare(document):
        nodes = {node["id"]: node for node in document["nodes"]}

        def is_inside(node):
            while node["ctrl_deps"] in nodes and node["ctrl_deps"] != node["id"]:
                node = nodes[node["ctrl_deps"]]
                if node["name"] == "aten::linear":
                    return True
            return False

        document["nodes"] = [node for node in nodes.values() if not is_inside(node)]

    trace = file.load(changed(path, bare, tmp_path / "bare.json"))
    assert trace.macs_by_phase()["forward"] == file.load(path).macs_by_phase()["forward"]


def tensor(number, storage, elements, kind="float"):
    return [number, storage, 0, elements, {"float": 4, "long int": 8}[kind], "cuda:0"]


def call(document, name, tensors, schema="", below=None, **attributes):
    """Append a node after all others that takes float tensors: {storage: shape}."""
    number = max(node["id"] for node in document["nodes"]) + 1
    values = [tensor(10**6 + storage, 10**6 + storage, int(np.prod(shape))) for storage, shape in tensors.items()]
    attributes = {"op_schema": schema, "seq_id": -1, "tid": 1} | attributes
    document["nodes"].append(
        {
            "id": number,
            "name": name,
            "ctrl_deps": below or document["nodes"][-2]["ctrl_deps"],
            "inputs": {
                "values": [*values, 16, 7],
                "shapes": [*tensors.values(), [], []],
                "types": ["Tensor(float)"] * len(values) + ["Int", "Int"],
                "strides": [list(np.cumprod([1, *shape[:0:-1]])[::-1].tolist()) for shape in tensors.values()],
            },
            "outputs": {"values": [], "shapes": [], "types": [], "strides": []},
            "attrs": [{"name": key, "type": "", "value": value} for key, value in attributes.items()],
        }
    )
    return number


def test_a_kernel_with_fewer_strides_than_values_is_listed_and_the_rest_counted(tmp_path):
    path = record(perceptron(), tmp_path / "et.json")

    def add(document):
        call(document, "triton_poi_fused_add_0", {1: [4, 8], 2: [4, 8]}, kernel_backend="triton")

    trace = file.load(changed(path, add, tmp_path / "more.json"))
    assert trace.uncounted == {"triton_poi_fused_add_0": (1, 2 * 4 * 8 * 4)}
    assert trace.macs_by_phase() == file.load(path).macs_by_phase()


REDUCE = "c10d::allreduce_(Tensor[] tensors, Any group, Any op, bool asyncOp=True, int timeout=-1) -> (Tensor[], Any)"


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        ("c10d::allreduce_", REDUCE),
        ("mylib::scale_", "mylib::scale_(Tensor(a!) x) -> ()"),
        ("mylib::reset_", "mylib::reset_(Tensor x) -> ()"),
        ("nccl:all_reduce", ""),
        ("record_param_comms", ""),
    ],
)
def test_a_collective_or_an_unknown_op_in_place_is_listed_and_moves_nothing_from_the_host(name, schema, tmp_path):
    path = record(perceptron(), tmp_path / "et.json")
    trace = file.load(changed(path, lambda d: call(d, name, {1: [64]}, schema) and None, tmp_path / "more.json"))
    assert list(trace.uncounted) == [name]
    assert host_bytes(trace) == host_bytes(file.load(path))


def test_a_collective_is_listed_once_with_what_it_calls(tmp_path):
    path = record(perceptron(), tmp_path / "et.json")

    def add(document):
        outer = call(document, "c10d::allreduce_", {1: [64]}, REDUCE)
        inner = call(document, "record_param_comms", {1: [64]}, below=outer)
        call(document, "nccl:all_reduce", {1: [64]}, below=inner)

    assert list(file.load(changed(path, add, tmp_path / "more.json")).uncounted) == ["c10d::allreduce_"]


def test_tensors_without_storage_make_an_op_uncounted_and_not_an_error(tmp_path):
    path = record(perceptron(), tmp_path / "et.json")

    def empty(document):
        node_named(document, "aten::relu")["inputs"] |= {
            "values": [[5, 0, 0, 0, 0, ""]],
            "shapes": [[]],
            "strides": [[]],
        }

    trace = file.load(changed(path, empty, tmp_path / "sparse.json"))
    assert list(trace.uncounted) == ["aten::relu"]


def test_kernels_that_a_linked_trace_adds_below_their_calls_are_not_counted_again(tmp_path):
    path = record(classifier(), tmp_path / "et.json")

    def double(document):
        nodes, document["nodes"] = document["nodes"], []
        for node in nodes:
            document["nodes"].append(node)
            if any(a["name"] == "op_schema" and a["value"] for a in node["attrs"]):
                kernel = json.loads(json.dumps(node)) | {"ctrl_deps": node["id"], "cat": "kernel", "exclusive_dur": 3}
                document["nodes"].append(kernel | {"id": 10**7 + node["id"]})

    linked = file.load(changed(path, double, tmp_path / "linked.json"))
    plain = file.load(path)
    assert (len(linked), linked.macs_by_phase()) == (len(plain), plain.macs_by_phase())


def test_a_custom_function_is_one_node_of_the_backward_pass(tmp_path):
    class Product(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, weight):
            ctx.save_for_backward(x, weight)
            return x @ weight

        @staticmethod
        def backward(ctx, grad):
            x, weight = ctx.saved_tensors
            return grad @ weight.t(), x.t() @ grad

    first, second = (nn.Parameter(torch.randn(size)) for size in ((6, 5), (5, 4)))
    optimizer = torch.optim.SGD([first, second], lr=0.1)
    x = torch.randn(3, 6)

    def step():
        optimizer.zero_grad()
        Product.apply(functional.relu(x @ first), second).sum().backward()
        optimizer.step()

    macs = file.load(record(step, tmp_path / "et.json")).macs_by_phase()
    assert (macs["forward"], macs["dgrad"], macs["wgrad"]) == (3 * 50, 3 * 20, 3 * 50)


def test_an_optimiser_that_runs_the_step_itself_has_its_forward_and_backward_pass(tmp_path):
    layer, x = nn.Linear(6, 5, bias=False), torch.randn(2, 6)
    optimizer = torch.optim.LBFGS(layer.parameters(), max_iter=1)

    def loss():
        optimizer.zero_grad()
        out = layer(x).square().mean()
        out.backward()
        return out

    trace = file.load(record(lambda: optimizer.step(loss), tmp_path / "et.json"))
    macs = trace.macs_by_phase()
    assert macs["forward"] == macs["wgrad"] == 2 * 6 * 5
    assert (trace.ops.phase == Phase.UPDATE).any()


@pytest.mark.parametrize("compiled", ["weights and data", "without an optimiser"])
def test_a_compiled_step_tells_the_gradients_of_weights_from_those_of_data(compiled, tmp_path):
    model = nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.LayerNorm(32), nn.Linear(32, 4))
    x, optimizer = torch.randn(8, 16), torch.optim.SGD(model.parameters(), lr=0.1)
    fast = torch.compile(model)

    def step():
        optimizer.zero_grad()
        fast(x).mean().backward()
        if compiled == "weights and data":
            optimizer.step()

    try:
        step()
    except Exception as error:  # no compiler here
        pytest.skip(f"torch.compile does not work here: {error}")
    trace = file.load(record(step, tmp_path / "et.json"))
    macs = trace.macs_by_phase()
    assert (macs["forward"], macs["dgrad"], macs["wgrad"]) == (
        8 * (16 * 32 + 32 * 4),
        8 * 32 * 4,
        8 * (16 * 32 + 32 * 4),
    )
    assert host_bytes(trace) <= x.nbytes


def test_a_call_that_contradicts_its_schema_is_named(tmp_path):
    path = record(perceptron(), tmp_path / "et.json")

    def change(document):
        node_named(document, "aten::mm")["inputs"]["values"][0] = True

    with pytest.raises(CaptureError, match=r"wrong\.json: node \d+, 'aten::mm', does not fit .*record it again"):
        file.load(changed(path, change, tmp_path / "wrong.json"))
