"""Dense layers that take their matrix products in chosen ways."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from deqn.numerics.products import (
    INPUTS,
    VALUE,
    WEIGHTS,
    Activation,
    Ways,
    has_onednn,
    is_thin,
    is_wide,
    known,
    seconds,
)

_GAIN = 0.9  # of the time without oneDNN, from where on it is worth other bits: far from what noise can turn


class Dense(nn.Sequential):
    """Layers one after the other: `[rows, n_in]` -> `[rows, n_out]`; a plain Sequential until it is told of other ways.

    With oneDNN all layers are one node of autograd, whose gradients are written out. `torch.func`, derivatives of gradients,
    forward-mode derivatives and `torch.compile` do without it.

    Attributes:
        seen: where someone asks for them, the numbers of rows that it is given, each with the most `gradient` of `fastest`.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.seen: dict[int, int] | None = None
        self._ways: dict[int, list[Ways]] = {}
        self._layers: list[tuple[nn.Linear, Activation | None, nn.Module | None]] = []

    @property
    def ways(self) -> dict[int, list[Ways]]:
        """Number of rows -> how each layer takes its products; with other numbers of rows it is a plain Sequential."""
        return self._ways

    @ways.setter
    def ways(self, ways: Mapping[int, list[Ways]]) -> None:
        self._layers = self.layers()
        self._ways = {rows: list(each) for rows, each in ways.items() if len(each) == len(self._layers) > 0}

    def forward(self, x: Tensor) -> Tensor:
        if self.seen is not None:
            self.seen[len(x)] = max(self.seen.get(len(x), 0), torch.is_grad_enabled() * (1 + x.requires_grad))
        ways = self._ways.get(len(x)) if self._ways else None
        if ways is None or x.ndim != 2:
            return super().forward(x)
        if not (any(way.onednn for way in ways) and _is_plain(x)):
            return self._turned(x, ways)
        parameters = [p for layer, _, _ in self._layers for p in (layer.weight, layer.bias)]
        activations = [activation for _, activation, _ in self._layers]
        if not torch.is_grad_enabled():
            return _values(x, parameters, activations, ways)[-1][0]
        return _Layers.apply(x, activations, ways, *parameters)

    @property
    def description(self) -> str:
        """'2x128 relu, 128x1': what decides how long it takes."""
        return ", ".join(
            f"{layer.in_features}x{layer.out_features} {activation.value.__name__ if activation else ''}".strip()
            for layer, activation, _ in self.layers()
        )

    def _turned(self, x: Tensor, ways: Sequence[Ways]) -> Tensor:
        """With PyTorch's own derivatives; those of thin layers are faster by a copy of the weights."""
        for (layer, _, activation), way in zip(self._layers, ways, strict=True):
            x = torch.addmm(layer.bias, x, layer.weight.t().contiguous()) if way.weights == "turned" else layer(x)
            if activation is not None:
                x = activation(x)
        return x

    def layers(self) -> list[tuple[nn.Linear, Activation | None, nn.Module | None]]:
        """Each product with the activation behind it; none where there is something else in between, such as dropout."""
        layers: list[tuple[nn.Linear, Activation | None, nn.Module | None]] = []
        for module in self:
            activation = known(getattr(module, "function", None))
            if type(module) is nn.Linear and module.bias is not None:
                layers.append((module, None, None))
            elif activation is not None and layers and layers[-1][1] is None:
                layers[-1] = (layers[-1][0], activation, module)
            else:
                return []
        return layers

    def fastest(self, rows: int, gradient: int) -> list[Ways]:
        """How the layers take a number of rows in the least time; nothing where that is a Sequential.

        Args:
            gradient: 0 for values only, 1 with gradients of the parameters, 2 with those of the inputs too.
        """
        layers = [layer for layer, _, _ in self.layers()]
        if not layers or layers[0].weight.device.type != "cpu":
            return []
        sizes = [(rows, layer.in_features, layer.out_features) for layer in layers]
        turned = ["turned" if gradient and is_thin(*size) else "plain" for size in sizes]
        ways = [[Ways("plain", t, t) for t in turned]]
        if has_onednn(layers[0].weight) and any(is_wide(*size) for size in sizes):
            for weights in ("plain", "onednn"):
                wide = Ways("onednn", "onednn", weights)
                ways.append(
                    [wide if is_wide(*size) else Ways("plain", t, t) for size, t in zip(sizes, turned, strict=True)]
                )
        best = 0
        if len(ways) > 1:
            times = seconds(self._trials(rows, ways, gradient))
            quickest = min(range(len(ways)), key=times.__getitem__)
            best = quickest if times[quickest] < _GAIN * times[0] else 0
        return ways[best] if any(way != Ways() for way in ways[best]) else []

    def _trials(self, rows: int, ways: list[list[Ways]], gradient: int) -> list[Callable[[], None]]:
        """For each choice of ways a function that takes some rows through the layers and back."""
        layers, generator = [layer for layer, _, _ in self.layers()], torch.Generator().manual_seed(0)
        x, g = (
            torch.randn(rows, n, generator=generator, dtype=layers[0].weight.dtype, device="cpu")
            for n in (layers[0].in_features, layers[-1].out_features)
        )
        wanted = [*(p for p in self.parameters() if p.requires_grad), *([x] if gradient > 1 else [])]
        x.requires_grad_(gradient > 1)

        def run(dense: Dense) -> None:
            with torch.set_grad_enabled(gradient > 0):
                y = dense(x)
            if gradient:
                torch.autograd.grad(y, wanted, g)

        trials = [Dense(*self) for _ in ways]
        for trial, each in zip(trials, ways, strict=True):
            trial.ways = {rows: each}
        return [partial(run, trial) for trial in trials]


def _is_plain(x: Tensor) -> bool:
    """Whether nobody looks on but autograd."""
    return (
        type(x) is Tensor
        and x.dtype is torch.float32
        and x.device.type == "cpu"
        and not torch.compiler.is_compiling()
        and not torch._C._are_functorch_transforms_active()
        and forward_ad._current_level < 0
    )


def _values(
    x: Tensor, parameters: Sequence[Tensor], activations: Sequence[Activation | None], ways: Sequence[Ways]
) -> list[tuple[Tensor, Tensor]]:
    """Of each layer its value, and what the derivative of its activation needs."""
    results = []
    for i, (activation, way) in enumerate(zip(activations, ways, strict=True)):
        results.append(VALUE[way.value](x, parameters[2 * i], parameters[2 * i + 1], activation))
        x = results[-1][0]
    return results


class _Layers(torch.autograd.Function):
    """All layers, and their gradients by hand."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, activations: Any, ways: Any, *parameters: Tensor) -> Tensor:
        results = _values(x, parameters, activations, ways)
        ctx.activations, ctx.ways = activations, ways
        ctx.save_for_backward(*parameters, x, *(value for value, _ in results[:-1]), *(kept for _, kept in results))
        return results[-1][0]

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        n, saved = len(ctx.ways), ctx.saved_tensors
        parameters, inputs, kept = saved[: 2 * n], saved[2 * n : 3 * n], saved[3 * n :]
        needed = [ctx.needs_input_grad[0], *ctx.needs_input_grad[3:]]
        gradients: list[Tensor | None] = [None] * (1 + 2 * n)  # of x, and of weight and bias of each layer
        if torch.is_grad_enabled():  # they are to be differentiated in turn
            value = _values(inputs[0], parameters, ctx.activations, [Ways()] * n)[-1][0]
            wanted = [t for t, need in zip((inputs[0], *parameters), needed, strict=True) if need]
            found = iter(torch.autograd.grad(value, wanted, g, create_graph=True))
            gradients = [next(found) if need else None for need in needed]
            return gradients[0], None, None, *gradients[1:]
        for i in reversed(range(n)):
            activation, way = ctx.activations[i], ctx.ways[i]
            if activation is not None:
                g = activation.derivative(g, kept[i])
            if needed[2 * i + 1]:
                gradients[2 * i + 1] = WEIGHTS[way.weights](g, inputs[i])
            if needed[2 * i + 2]:
                gradients[2 * i + 2] = g.sum(0)
            if not any(needed[: 2 * i + 1]):
                break
            g = INPUTS[way.inputs](g, parameters[2 * i])
        else:
            gradients[0] = g
        return gradients[0], None, None, *gradients[1:]
