"""Dense layers that can take their matrix products in other ways than PyTorch does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from deqn.numerics.products import Activation, is_thin, is_wide, known, onednn

Layer = tuple[nn.Linear, Activation | None]


class Dense(nn.Sequential):
    """Layers one after the other: `[rows, n_in]` -> `[rows, n_out]`; the numbers of a Sequential but for rounding.

    Attributes:
        products: `plain` has the bits of a Sequential. `turned` lays the weights of thin layers out anew, where gradients are
            taken. `onednn` takes also the products of wide layers by oneDNN, in float32; then all layers are one node of
            autograd, whose gradients are written out. `torch.func`, derivatives of gradients and forward-mode derivatives do
            without it, and so does a network with anything in between, such as dropout.
    """

    def __init__(self, *modules: nn.Module) -> None:
        super().__init__(*modules)
        self.products = "plain"

    def forward(self, x: Tensor) -> Tensor:
        if self.products == "onednn" and _is_plain(x):
            layers = self._layers()
            wide = [is_wide(len(x), layer.in_features, layer.out_features) for layer, _ in layers]
            if any(wide):
                return self._by_onednn(x, layers, wide)
        turned, fresh = self.products != "plain" and torch.is_grad_enabled(), False
        for module in self:
            if type(module) is nn.Linear:
                thin = turned and is_thin(len(x), module.in_features, module.out_features)
                x = torch.addmm(module.bias, x, module.weight.t().contiguous()) if thin else module(x)
            else:
                activation = known(getattr(module, "function", None)) if fresh else None
                x = activation.value(x) if activation is not None else module(x)
            fresh = type(module) is nn.Linear  # nobody else has what it gives: it may be overwritten
        return x

    def _layers(self) -> list[Layer]:
        """Each product with the activation behind it; none where there is something else in between."""
        layers: list[Layer] = []
        for module in self:
            activation = known(getattr(module, "function", None))
            if type(module) is nn.Linear:
                layers.append((module, None))
            elif activation is not None and layers and layers[-1][1] is None:
                layers[-1] = (layers[-1][0], activation)
            else:
                return []
        return layers

    def _by_onednn(self, x: Tensor, layers: Sequence[Layer], wide: Sequence[bool]) -> Tensor:
        parameters = [p for layer, _ in layers for p in (layer.weight, layer.bias)]
        activations = [activation for _, activation in layers]
        if not torch.is_grad_enabled():
            return _values(x, parameters, activations, wide)[-1][0]
        return _Layers.apply(x, activations, wide, *parameters)


def _is_plain(x: Tensor) -> bool:
    """Whether oneDNN takes it, and nobody looks on but autograd."""
    if x.dtype is not torch.float32 or x.device.type != "cpu" or x.ndim != 2:
        return False
    if torch.compiler.is_compiling():
        return True
    return type(x) is Tensor and not torch._C._are_functorch_transforms_active() and forward_ad._current_level < 0


def _values(
    x: Tensor, parameters: Sequence[Tensor], activations: Sequence[Activation | None], wide: Sequence[bool]
) -> list[tuple[Tensor, Tensor]]:
    """Of each layer its value, and what the derivative of its activation needs."""
    results = []
    for i, activation in enumerate(activations):
        w, b = parameters[2 * i], parameters[2 * i + 1]
        if wide[i] and activation is not None and activation.name:
            value = product = onednn(x, w, b, activation.name)
        else:
            value = product = onednn(x, w, b) if wide[i] else torch.addmm(b, x, w.t())
            if activation is not None:
                value = activation.value(product)
        x = value
        results.append((value, product if activation is not None and not activation.name else value))
    return results


class _Layers(torch.autograd.Function):
    """All layers, and their gradients by hand."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, activations: Any, wide: Any, *parameters: Tensor) -> Tensor:
        results = _values(x, parameters, activations, wide)
        ctx.activations, ctx.wide = activations, wide
        ctx.save_for_backward(*parameters, x, *(value for value, _ in results[:-1]), *(kept for _, kept in results))
        return results[-1][0]

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        n, saved = len(ctx.wide), ctx.saved_tensors
        parameters, inputs, kept = saved[: 2 * n], saved[2 * n : 3 * n], saved[3 * n :]
        needed = [ctx.needs_input_grad[0], *ctx.needs_input_grad[3:]]
        gradients: list[Tensor | None] = [None] * (1 + 2 * n)  # of x, and of weight and bias of each layer
        if torch.is_grad_enabled():  # they are to be differentiated in turn
            value = _values(inputs[0], parameters, ctx.activations, [False] * n)[-1][0]
            wanted = [t for t, need in zip((inputs[0], *parameters), needed, strict=True) if need]
            found = iter(torch.autograd.grad(value, wanted, g, create_graph=True))
            gradients = [next(found) if need else None for need in needed]
            return gradients[0], None, None, *gradients[1:]
        for i in reversed(range(n)):
            activation, w, x = ctx.activations[i], parameters[2 * i], inputs[i]
            thin = is_thin(len(x), x.shape[1], len(w))
            if activation is not None:
                g = activation.derivative(g, kept[i])
            if needed[2 * i + 1]:
                if ctx.wide[i]:
                    gradients[2 * i + 1] = onednn(g.t(), x.t())
                else:
                    gradients[2 * i + 1] = torch.mm(x.t(), g).t() if thin else torch.mm(g.t(), x)
            if needed[2 * i + 2]:
                gradients[2 * i + 2] = g.sum(0)
            if not any(needed[: 2 * i + 1]):
                break
            g = onednn(g, w.t()) if ctx.wide[i] else torch.mm(g, w.t().contiguous().t() if thin else w)
        else:
            gradients[0] = g
        return gradients[0], None, None, *gradients[1:]
