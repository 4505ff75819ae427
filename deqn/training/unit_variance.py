"""`net.unit_variance`: layers begin with outputs of variance one.

Source: Mishkin and Matas (2016), All you need is a good init, ICLR 2016 (layer-sequential unit variance).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from deqn.economy.dense import Dense
from deqn.economy.model import Model

_STATES = 1024  # initial ones, on which variances are taken


@torch.no_grad()
def unit_variance(model: Model) -> int:
    """Makes the weights of each dense layer orthogonal, then scales them; how many layers there are.

    One layer after the other is divided by the standard deviation of its outputs, before the activation, over initial states.
    Biases stay as they are. No generator moves but PyTorch's own, which is put back.
    """
    layers = [module for module in model.network.modules() if isinstance(module, nn.Linear)]
    before, torchs = model.rng.get_state(), torch.get_rng_state()
    torch.manual_seed(model.config.seed)  # all processes begin with the same weights
    model.rng.seed(model.config.seed)
    states = model.initial_states(_STATES)
    dense = [module for module in model.network.modules() if isinstance(module, Dense)]
    products = [module.products for module in dense]
    for module in dense:
        module.products = "plain"  # others do not call the layers
    for layer in layers:
        orthogonal = nn.init.orthogonal_(torch.empty(layer.weight.shape, device="cpu", dtype=torch.float64))
        layer.weight.copy_(orthogonal)
        deviation = _deviation(model, layer, states)
        if deviation > 0:
            layer.weight.div_(deviation)
    for module, kind in zip(dense, products, strict=True):
        module.products = kind
    model.rng.set_state(before)
    torch.set_rng_state(torchs)
    return len(layers)


def _deviation(model: Model, layer: nn.Linear, states: Tensor) -> float:
    """Standard deviation of a layer's outputs over the states and its units."""
    seen: list[Tensor] = []
    handle = layer.register_forward_hook(lambda module, inputs, output: seen.append(output))
    try:
        model.policy(states)
    finally:
        handle.remove()
    return float(torch.cat([x.flatten() for x in seen]).std(correction=0)) if seen else 0.0
