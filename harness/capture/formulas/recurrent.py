"""Recurrent layers that run as one op: per layer and direction, an input product, a recurrent product, the gates.

The recurrent product is one group per time step, since a step needs the one before. The gates' values between the rows
lie in a workspace whose size is the library's affair; it is not counted.
"""

from accel_model.types import Kind
from harness.capture.formulas.matmul import product
from harness.capture.formulas.parts import Call, Part, Touch, elements_of, read_all

GATES = {0: 1, 1: 1, 2: 4, 3: 3}  # by cuDNN's mode: RNN with relu, with tanh, LSTM, GRU
LSTM = 2
PER_GATE = 3  # elementary operations per gate and hidden element, forward; twice that backward


class _RecurrentLayer:
    """One layer in one direction: tensors, sizes and whether it sees padded steps of equal batch."""

    def __init__(self, call, x, weights, hidden, steps, rows, inputs):
        self.x, self.weights = x, weights
        self.gates, self.hidden = GATES[call["mode"]], hidden
        self.steps, self.rows, self.inputs = steps, rows, inputs
        self.width = weights[1].shape[1]  # of the state that comes back: hidden, or its projection
        self.outputs = self.gates * hidden

    def forward(self, state, out):
        w_input, w_state, *others = self.weights
        biases = [w for w in others if w.dim() == 1]
        rows = [
            product((1, self.rows, self.outputs, self.inputs), self.x, w_input, None, biases),
            product(self._per_step(self.outputs, self.width), state, w_state, None),
            Part(Kind.ELEMENTWISE, (), read_all(*out), vector_ops=PER_GATE * self.outputs * self.rows),
        ]
        if projection := [w for w in others if w.dim() == 2]:
            rows.append(product(self._per_step(self.width, self.hidden), None, projection[0], None))
        return rows

    def backward(self, grads, out, d_input, d_state, d_weights):
        w_input, w_state, *others = self.weights
        rows = [
            Part(
                Kind.ELEMENTWISE,
                read_all(*grads),
                (),
                vector_ops=2 * PER_GATE * self.outputs * self.rows,
                gradient_of=self.x,
            )
        ]
        if d_input is not False:
            rows.append(product((1, self.rows, self.inputs, self.outputs), None, w_input, d_input, gradient_of=self.x))
        rows.append(product(self._per_step(self.width, self.outputs), None, w_state, d_state, gradient_of=out))
        d_weights = list(d_weights)
        if d_weights:
            rows.append(
                product((1, self.inputs, self.outputs, self.rows), self.x, None, d_weights[0], gradient_of=w_input)
            )
            rows.append(product((1, self.width, self.outputs, self.rows), out, None, d_weights[1], gradient_of=w_state))
        for weight, d_weight in zip(others, d_weights[2:], strict=False):
            if weight.dim() == 2:
                rows.append(product(self._per_step(self.hidden, self.width), None, weight, None, gradient_of=out))
                rows.append(product((1, self.hidden, self.width, self.rows), None, None, d_weight, gradient_of=weight))
            else:
                ops = self.outputs * self.rows
                rows.append(Part(Kind.REDUCE, (), (Touch(d_weight),), vector_ops=ops, gradient_of=weight))
        return rows

    def _per_step(self, n, k):
        """One group per time step; a packed batch, whose steps differ in size, is one group of all its rows."""
        return (1, self.rows, n, k) if self.steps is None else (self.steps, self.rows // self.steps, n, k)


def mkldnn_forward(call: Call) -> list[Part]:
    """One layer in one direction; x (time, batch, inputs)."""
    weights = [call[f"weight{i}"] for i in range(4)]
    layer = _of_mkldnn(call, weights)
    return layer.forward(call["hx_"], call.outputs[:3])


def mkldnn_backward(call: Call) -> list[Part]:
    """Outputs: gradients of x, both weights, both biases, both states."""
    weights = [call[f"weight{i}"] for i in range(1, 5)]
    layer = _of_mkldnn(call, weights)
    d_input, *d_weights, d_state, _ = call.outputs
    grads = [call[name] for name in ("grad_output", "grad_hy", "grad_cy")]
    return layer.backward(grads, call["output"], d_input, d_state, d_weights)


def _of_mkldnn(call, weights):
    x = call["input"]
    time, batch, inputs = x.shape
    weights = weights if call["has_biases"] else weights[:2]
    return _RecurrentLayer(call, x, weights, call["hidden_size"], time, time * batch, inputs)


def cudnn_forward(call: Call) -> list[Part]:
    """All layers and directions; outputs: out, last states, reserve, weight buffer."""
    out, *states = call.outputs[:3]
    layers = _of_cudnn(call, call["weight"])
    rows = []
    for number, layer in enumerate(layers):
        last = number >= len(layers) - _directions(call)
        rows += layer.forward(call["hx"], (out, *states) if last else ())
    return rows


def cudnn_backward(call: Call) -> list[Part]:
    """Outputs: gradients of x, of both states, and of each weight."""
    d_input, d_state, _, *d_weights = call.outputs
    layers = _of_cudnn(call, call["weight"])
    per_layer = len(call["weight"]) // len(layers)
    asked = call["output_mask"]
    grads = [call[name] for name in ("grad_output", "grad_hy", "grad_cy")]
    rows = []
    for number in reversed(range(len(layers))):
        first = number < _directions(call)
        d_x = False if first and not asked[0] else d_input if first else None
        mine = d_weights[number * per_layer : (number + 1) * per_layer] if asked[3] else ()
        last = number >= len(layers) - _directions(call)
        rows += layers[number].backward(grads if last else (), call["output"], d_x, d_state if first else None, mine)
    return rows


def _of_cudnn(call, weights):
    x, hidden, directions = call["input"], call["hidden_size"], _directions(call)
    count = call["num_layers"] * directions
    per_layer = len(weights) // count
    packed = len(call["batch_sizes"]) > 0
    inputs = x.shape[-1]
    rows = elements_of(x) // inputs
    steps = None if packed else x.shape[1 if call["batch_first"] else 0]
    layers = []
    for number in range(count):
        mine = weights[number * per_layer : (number + 1) * per_layer]
        first = number < directions
        layers.append(_RecurrentLayer(call, x if first else None, mine, hidden, steps, rows, mine[0].shape[1]))
    return layers


def _directions(call):
    return 2 if call["bidirectional"] else 1


FORMULAS = {
    "mkldnn_rnn_layer": mkldnn_forward,
    "mkldnn_rnn_layer_backward": mkldnn_backward,
    "_cudnn_rnn": cudnn_forward,
    "_cudnn_rnn_backward": cudnn_backward,
}
