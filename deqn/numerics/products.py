"""Matrix products of dense layers in ways that are equal but for rounding, and which of them is fast on which processor.

With n rows, y = f(x W' + b), and g the gradient of x W' + b:

    value       x W' + b        [n, in] x [in, out]
    inputs      g W             [n, out] x [out, in]
    weights     g' x            [out, n] x [n, in]

PyTorch takes them by the MKL, which keeps to a narrow path on processors of AMD. There the last two are slow for thin layers,
such as that of a few states; with W' laid out anew they are not (`turned`). Where the processor computes twice as much a cycle
with AVX-512 as the MKL's path does, oneDNN, which is a part of PyTorch too, is faster, and applies the activation while it
writes (`onednn`).

The choice is a rule of processor and sizes, not of a clock: the same run started twice has the same bits.
"""

from __future__ import annotations

import contextlib
import platform
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from deqn.errors import ConfigError

aten: Any = torch.ops.aten

_FEW = 8  # inputs of a thin layer, at most
_ZEN_5 = 26  # family: the first of AMD that computes on 512 bits at once


@dataclass(frozen=True)
class Activation:
    """A function between two products.

    Attributes:
        name: in oneDNN, which can apply it while it writes the product; '' where the derivative needs what it is applied to.
        value: the function; overwrites its argument where it has a name.
        derivative: (gradient, kept) -> gradient before the function; `kept` is its value, or without a name its argument.
    """

    name: str
    value: Callable[[Tensor], Tensor]
    derivative: Callable[[Tensor, Tensor], Tensor]


_RELU = Activation("relu", torch.relu_, lambda g, y: aten.threshold_backward(g, y, 0))
_TANH = Activation("tanh", torch.tanh_, aten.tanh_backward)
_SIGMOID = Activation("sigmoid", torch.sigmoid_, aten.sigmoid_backward)
_ACTIVATIONS: dict[object, Activation] = {
    F.relu: _RELU, torch.relu: _RELU, F.tanh: _TANH, torch.tanh: _TANH, F.sigmoid: _SIGMOID, torch.sigmoid: _SIGMOID,
    F.silu: Activation("", F.silu, aten.silu_backward), F.gelu: Activation("", F.gelu, aten.gelu_backward),
}  # fmt: skip


def known(function: object) -> Activation | None:
    """The activation behind a function of PyTorch, if its derivative is known here."""
    try:
        return _ACTIVATIONS.get(function)
    except TypeError:  # an object of a model's own, without a hash
        return None


def onednn(x: Tensor, y: Tensor, bias: Tensor | None = None, name: str = "none") -> Tensor:
    """`x @ y.T`, plus a bias, under an activation: `[n, k]`, `[m, k]` -> `[n, m]`."""
    return torch.ops.deqn.onednn(x, y, bias, name) if torch.compiler.is_compiling() else _pointwise(x, y, bias, name)


def _pointwise(x: Tensor, y: Tensor, bias: Tensor | None, name: str) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(x, y, bias, name, [], "")


@cache
def register_onednn() -> torch.library.Library:
    """Makes `onednn` an operation for torch.compile: of PyTorch's own, it wants packed weights, and they change in every step."""
    library = torch.library.Library("deqn", "FRAGMENT")
    library.define("onednn(Tensor x, Tensor y, Tensor? bias, str name) -> Tensor")
    library.impl("onednn", _pointwise, "CPU")
    torch.library.register_fake("deqn::onednn", lambda x, y, bias, name: x.new_empty(len(x), len(y)), lib=library)
    return library


def has_products(products: str, dtype: torch.dtype, device: torch.device) -> bool:
    """Whether a run of a floating type and device can have them."""
    if products == "onednn":
        by_onednn = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        return by_onednn and dtype is torch.float32 and device.type == "cpu"
    return products == "plain" or device.type == "cpu"


def chosen(products: str, dtype: torch.dtype, device: torch.device) -> str:
    """What `run.products` stands for on this machine: `plain`, `turned` or `onednn`.

    Raises:
        ConfigError: where this run cannot have what is asked for.
    """
    if products == "auto":
        family = amd_family()
        if family is None or not torch.backends.mkl.is_available():
            return "plain"
        twice = family >= _ZEN_5 and torch.backends.cpu.get_cpu_capability() == "AVX512"
        fastest = ("onednn" if twice else "", "turned", "plain")
        return next(each for each in fastest if each and has_products(each, dtype, device))
    if not has_products(products, dtype, device):
        raise ConfigError(
            f"run.products={products}: expected a CPU{', float32 and a PyTorch with oneDNN' if products == 'onednn' else ''}; "
            f"this run has {device.type} and {str(dtype).removeprefix('torch.')}. Give run.products=auto or plain."
        )
    return products


def is_thin(rows: int, n_in: int, n_out: int) -> bool:
    """Whether gradients of a layer are faster `turned`: measured on an AMD EPYC of family 25, in float32 and float64."""
    return 2 <= n_in <= _FEW and rows * n_out >= 25_000


def is_wide(rows: int, n_in: int, n_out: int) -> bool:
    """Whether a layer has enough to compute for oneDNN, whose calls cost 20 microseconds each."""
    return min(n_in, n_out) > _FEW and rows * (n_in + n_out) >= 50_000


def amd_family() -> int | None:
    """Family of an AMD processor: 23 to Zen 2, 25 Zen 3 and 4, 26 Zen 5; None of another one."""
    text = platform.processor()  # of Windows: AMD64 Family 25 Model 17 Stepping 1, AuthenticAMD
    with contextlib.suppress(OSError):  # Linux alone
        text += Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").partition("\n\n")[0]
    found = re.search(r"family\s*:?\s*(\d+)", text, re.IGNORECASE)
    return int(found[1]) if found and "AuthenticAMD" in text else None
