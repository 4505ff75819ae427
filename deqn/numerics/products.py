"""The three matrix products of a dense layer, each in several ways that are equal but for rounding, and which is fastest.

With n rows, y = f(x W' + b), and g the gradient of x W' + b:

    value       x W' + b        [n, in] x [in, out]
    inputs      g W             [n, out] x [out, in]
    weights     g' x            [out, n] x [n, in]

PyTorch takes each in one way, by the MKL, where it has it. Of thin matrices, such as a few states, the last two are up to five
times as fast there where W' is laid out anew (`turned`). On processors for which the MKL has a narrow path, oneDNN, which is a
part of PyTorch too, is faster, and applies the activation while it writes. Where that is, only a clock says.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

aten: Any = torch.ops.aten
Way = Callable[..., Tensor]

_FEW = 8  # inputs of a thin layer, at most
_ROUNDS, _SECONDS = (3, 10), 0.05  # to time ways: least and most rounds; no new one after so long


@dataclass(frozen=True)
class Activation:
    """A function between two products.

    Attributes:
        name: in oneDNN, which can apply it while it writes the product; '' where the derivative needs what it is applied to.
        value: the function; may overwrite its argument where it has a name.
        derivative: (gradient, kept) -> gradient before the function; `kept` is its value, or without a name its argument.
    """

    name: str
    value: Callable[[Tensor], Tensor]
    derivative: Callable[[Tensor, Tensor], Tensor]


_RELU = Activation("relu", torch.relu_, lambda g, y: aten.threshold_backward(g, y, 0))
_TANH = Activation("tanh", torch.tanh_, aten.tanh_backward)
_SIGMOID = Activation("sigmoid", torch.sigmoid_, aten.sigmoid_backward)
_ACTIVATIONS: list[tuple[Any, Activation]] = [
    (F.relu, _RELU), (torch.relu, _RELU), (F.tanh, _TANH), (torch.tanh, _TANH), (F.sigmoid, _SIGMOID), (torch.sigmoid, _SIGMOID),
    (F.silu, Activation("", F.silu, aten.silu_backward)), (F.gelu, Activation("", F.gelu, aten.gelu_backward)),
]  # fmt: skip


def known(function: object) -> Activation | None:
    """The activation behind a function of PyTorch, if its derivative is known here."""
    return next((activation for other, activation in _ACTIVATIONS if other is function), None)


def _onednn(x: Tensor, y: Tensor, bias: Tensor | None = None, name: str = "none") -> Tensor:
    """`x @ y.T`, plus a bias, under an activation."""
    return torch.ops.mkldnn._linear_pointwise(x, y, bias, name, [], "")


def _activated(product: Tensor, activation: Activation | None) -> tuple[Tensor, Tensor]:
    """Value of the layer, and what the derivative needs."""
    if activation is None:
        return product, product
    value = activation.value(product)
    return value, value if activation.name else product


def _value_plain(x: Tensor, w: Tensor, b: Tensor, activation: Activation | None) -> tuple[Tensor, Tensor]:
    return _activated(torch.addmm(b, x, w.t()), activation)


def _value_onednn(x: Tensor, w: Tensor, b: Tensor, activation: Activation | None) -> tuple[Tensor, Tensor]:
    if activation is None or not activation.name:
        return _activated(_onednn(x, w, b), activation)
    value = _onednn(x, w, b, activation.name)
    return value, value


VALUE: dict[str, Callable[..., tuple[Tensor, Tensor]]] = {"plain": _value_plain, "onednn": _value_onednn}
INPUTS: dict[str, Way] = {
    "plain": lambda g, w: torch.mm(g, w),
    "turned": lambda g, w: torch.mm(g, w.t().contiguous().t()),
    "onednn": lambda g, w: _onednn(g, w.t()),
}
WEIGHTS: dict[str, Way] = {
    "plain": lambda g, x: torch.mm(g.t(), x),
    "turned": lambda g, x: torch.mm(x.t(), g).t(),
    "onednn": lambda g, x: _onednn(g.t(), x.t()),
}


@dataclass(frozen=True)
class Ways:
    """How a layer takes its products: names of VALUE, INPUTS and WEIGHTS."""

    value: str = "plain"
    inputs: str = "plain"
    weights: str = "plain"

    @property
    def onednn(self) -> bool:
        return "onednn" in (self.value, self.inputs, self.weights)

    @property
    def known(self) -> bool:
        return self.value in VALUE and self.inputs in INPUTS and self.weights in WEIGHTS


def is_thin(rows: int, n_in: int, n_out: int) -> bool:
    """Whether gradients of a layer are faster `turned`: 1.2 to 3.7 times on an AMD EPYC, in float32 and float64."""
    return 2 <= n_in <= _FEW and rows * n_out >= 25_000


def is_wide(rows: int, n_in: int, n_out: int) -> bool:
    """Whether oneDNN, whose calls cost 20 microseconds each, may be faster for a layer."""
    return min(n_in, n_out) > _FEW and rows * (n_in + n_out) >= 50_000


def seconds(functions: Sequence[Callable[[], object]]) -> list[float]:
    """The least time of each function, called in turn: others may use the machine too."""
    clock = time.perf_counter
    if torch.get_num_threads() == 1 and time.get_clock_info("thread_time").resolution < 1e-6:
        clock = time.thread_time  # without the time that others have the processor
    for function in functions:
        function()  # oneDNN compiles at its first call
    least = [float("inf")] * len(functions)
    began = time.perf_counter()
    for i in range(_ROUNDS[1]):
        for j, function in enumerate(functions):
            start = clock()
            function()
            least[j] = min(least[j], clock() - start)
        if i + 1 >= _ROUNDS[0] and time.perf_counter() - began > _SECONDS:
            break
    return least


def has_onednn(x: Tensor) -> bool:
    """Whether this PyTorch has oneDNN's product with an activation for such a tensor."""
    suited = x.dtype is torch.float32 and x.device.type == "cpu"
    return suited and torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
