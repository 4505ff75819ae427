"""The network of a model: that of its own Net.py, or the one of the library that `net.type` says."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from deqn.economy.anchored import Anchored, Economy, Individual
from deqn.economy.files import describe, where
from deqn.economy.for_tensorflow import network_arguments
from deqn.economy.names import require
from deqn.economy.network import Logarithms, PolicyNetwork, dense_network
from deqn.errors import ConfigError, ModelError, suggestion


def define_network(model: Any) -> PolicyNetwork:
    """States to policies, on the model's device and in its type.

    Args:
        model: a Model that is linked as far as Dynamics.py.

    Raises:
        ConfigError, ModelError: where there is none.
    """
    net, inputs = model.config.net, _inputs(model)
    body = _own(model) if model.linker.has("Net") else _of_the_library(model, inputs)
    network = PolicyNetwork(
        body,
        model.config.variables.policies,
        model.policy_columns,
        model.n_states,
        net.normalize_inputs,
        model.own_activation,
        inputs,
        model.config.constants | model.calibration,
        Logarithms(model.state_columns, net.log_inputs) if net.log_inputs else None,
    )
    return network.to(device=model.device, dtype=model.dtype).eval()


def _of_the_library(model: Any, inputs: list[int] | None) -> nn.Module:
    config, own = model.config, model.own_activation
    net, seed = config.net, config.seed  # without the rank: every process starts from the same network
    if net.type == "dense":
        return dense_network(net, model.n_states if inputs is None else len(inputs), model.n_policies, seed, own)
    numbers = {d.name: getattr(model.Definitions, d.name) for d in config.variables.definitions if not d.shape}
    economy = Economy(net, model.state_columns, numbers, config.constants | model.calibration, model.dtype)
    if net.type == "anchored":
        return Anchored(net, model.n_policies, seed, economy, own)
    return Individual(net, model.policy_columns, seed, economy, own)


def _own(model: Any) -> nn.Module:
    """What define_net() of Net.py gives."""
    if model.config.net.type != "dense":
        raise ConfigError(
            f"net.type = {model.config.net.type!r}: the network of this model is that of {model.folder / 'Net.py'}. Leave "
            "net.type out, or remove the file."
        )
    module = model.linker.link("Net")
    require(model.folder, module, "Net", ["define_net"])
    cpu_state = torch.get_rng_state()
    torch.manual_seed(model.config.seed)
    try:
        if not model.for_tensorflow:
            return module.define_net(model.config.net, model)
        with torch.device("cpu"):  # where the generator is
            body = module.define_net(*network_arguments(module.define_net, model.config, model))
            with torch.no_grad():
                body.eval()(torch.zeros(2, model.n_states))  # Keras' layers make their weights when they see an input
        return body
    except Exception as error:
        if isinstance(error, (ConfigError, ModelError)):
            raise
        raise ModelError(f"{where(error, model.folder)}: define_net() failed: {describe(error)}") from error
    finally:
        torch.set_rng_state(cpu_state)


def _inputs(model: Any) -> list[int] | None:
    """Columns of the state that the network sees; None for all."""
    net = model.config.net
    columns = {column.name: range(column.start, column.stop) for column in model.state_columns}
    for key, listed in (("inputs", net.inputs), ("log_inputs", net.log_inputs)):
        wrong = [name for name in listed if name not in columns]
        if wrong:
            raise ConfigError(f"net.{key}: there is no state {wrong[0]!r}.{suggestion(wrong[0], columns)}")
    return [i for name in net.inputs for i in columns[name]] if net.inputs else None
