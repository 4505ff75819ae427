"""`net.refit_inputs_at`: inputs are normalised anew by the states of an episode.

The network stays the function that it is.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from deqn.economy.network import PolicyNetwork
from deqn.errors import ConfigError
from deqn.processes.comm import Comm

# what optimizers keep of a weight, by the power of the weight's gradient that it is made of
_POWERS = {
    "exp_avg": 1, "momentum_buffer": 1, "grad_avg": 1, "exp_inf": 1,
    "exp_avg_sq": 2, "max_exp_avg_sq": 2, "square_avg": 2, "sum": 2, "exp_hessian_sq": 4,
}  # fmt: skip


def first_layer(network: PolicyNetwork) -> nn.Linear:
    """The dense layer that sees the normalised inputs as they are, but for dropout.

    Raises:
        ConfigError: where there is none, so that its weights cannot take up another normalisation.
    """
    modules = network.body if isinstance(network.body, nn.Sequential) else [network.body]
    layer = next((module for module in modules if not isinstance(module, nn.Dropout)), None)
    if type(layer) is not nn.Linear or layer.bias is None:
        found = "none" if layer is None else type(layer).__name__
        raise ConfigError(
            "net.refit_inputs_at rescales the weights of a dense layer that sees the inputs as they are, and the first layer "
            f"here is {found} (batch normalisation, a layer with skip, or what Net.py begins with). Leave it out."
        )
    return layer


@torch.no_grad()
def refit_inputs(network: PolicyNetwork, optimizer: torch.optim.Optimizer, states: Tensor, comm: Comm) -> None:
    """Takes mean and standard deviation of the inputs from states of all processes.

    The first layer's weights and bias, and what the optimizer keeps of the weights, are put in the new units: policies stay the
    same but for rounding.

    Args:
        states: `[n, n_states]`, as many in every process.
    """
    normalization, layer = network.normalization, first_layer(network)
    assert normalization is not None  # the configuration has been checked
    shift, scale = normalization.shift.double().clone(), normalization.scale.double().clone()
    inputs = network.logarithms(states).double() if network.logarithms is not None else states.double()
    mean = inputs.mean(0)
    comm.mean_(mean)
    variance = (inputs - mean).square().mean(0)
    comm.mean_(variance)
    normalization.take(mean, variance.sqrt())
    moved = (normalization.shift.double() - shift) / scale
    ratio = normalization.scale.double() / scale
    if network.inputs is not None:
        moved, ratio = moved[network.inputs], ratio[network.inputs]
    weight = layer.weight.double()
    layer.bias.add_(weight @ moved)
    layer.weight.copy_(weight * ratio)
    for name, value in optimizer.state.get(layer.weight, {}).items():
        if name in _POWERS and value is not None:
            value.div_(ratio.to(value) ** _POWERS[name])
