"""The policy network: layers from YAML with Keras' initialisation, then one activation a policy."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from deqn.configuration import activations
from deqn.configuration.net_schema import HiddenLayer, Net, OutputLayer
from deqn.configuration.schema import PolicyVariable
from deqn.economy.columns import Column
from deqn.economy.dense import Dense
from deqn.economy.units import Implied, is_elementwise, relative, units
from deqn.errors import ConfigError, suggestion
from deqn.numerics.initial_weights import variance_scaling_


class Normalization(nn.Module):
    """States minus mean over standard deviation; the identity until `fit`."""

    shift: Tensor
    scale: Tensor

    def __init__(self, n_states: int) -> None:
        super().__init__()
        self.register_buffer("shift", torch.zeros(n_states))
        self.register_buffer("scale", torch.ones(n_states))

    def fit(self, states: Tensor) -> None:
        """Takes mean and standard deviation from states `[batch, n_states]`; a constant state is only shifted."""
        self.take(states.mean(0), states.std(0, correction=0), states.abs().mean(0))

    def take(self, mean: Tensor, std: Tensor, size: Tensor | None = None) -> None:
        """Takes mean and standard deviation `[n_states]`; a state whose deviation is nothing beside its size is only shifted."""
        size = mean.abs() if size is None else size
        self.shift.copy_(mean)
        self.scale.copy_(torch.where(std > 1e-6 * size.clamp(min=1e-12), std, torch.ones_like(std)))

    def forward(self, states: Tensor) -> Tensor:
        return (states - self.shift) / self.scale


class Logarithms(nn.Module):
    """Some states `[batch, n_states]` become the logarithms of what they are within their bounds."""

    def __init__(self, columns: Sequence[Column], names: Sequence[str]) -> None:
        super().__init__()
        self.columns = [(column, column.name in names) for column in columns]

    def forward(self, states: Tensor) -> Tensor:
        parts = [(states[:, c.start : c.stop], c.bound.flat, taken) for c, taken in self.columns]
        return torch.cat([bound.apply(x).log() if taken else x for x, bound, taken in parts], dim=-1)


class Activation(nn.Module):
    """An activation function as a layer."""

    def __init__(self, function: activations.Activation) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


class Skip(nn.Sequential):
    """A layer whose input is added to its output: He, Zhang, Ren and Sun (2016), Deep residual learning, CVPR, 770-778."""

    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)


def dense_network(
    net: Net, n_inputs: int, n_outputs: int, seed: int, own: Callable[[str], Any] | None = None
) -> Dense:  # fmt: skip
    """The layers of the YAML file: for each, dropout, batch normalisation, dense, activation.

    Args:
        net: configuration of the network.
        n_inputs, n_outputs: columns of the state, entries of the policy.
        seed: seed of the initialisation.
        own: gives the functions of the model's Activations.py: `model.own_activation`.

    Returns:
        A module that maps `[batch, n_inputs]` to `[batch, n_outputs]`.
    """
    generator = torch.Generator().manual_seed(seed)
    modules: list[nn.Module] = []
    width = n_inputs
    for i, entry in enumerate(net.layers):
        kind = "output" if entry.output is not None else "hidden"
        where = f"net.layers[{i}].{kind}"
        layer = entry.output or entry.hidden
        assert layer is not None  # the schema has seen to it
        units = layer.units if isinstance(layer, HiddenLayer) else n_outputs
        first = len(modules)
        if layer.dropout_rate is not None:
            modules.append(nn.Dropout(layer.dropout_rate))
        if layer.batch_normalize is not None:
            modules.append(_batch_norm(width, layer.batch_normalize, f"{where}.batch_normalize"))
        dense = nn.Linear(width, units, device="cpu")  # where the generator is; the Model moves the network afterwards
        variance_scaling_(
            dense.weight, layer.init_scale, net.net_initializer_mode, net.net_initializer_distribution, generator
        )
        nn.init.zeros_(dense.bias)
        modules.append(dense)
        if not _is_linear(layer):
            modules.append(Activation(activations.activation(layer.activation, f"{where}.activation", own)))
        if isinstance(layer, HiddenLayer) and layer.skip:
            if units != width:
                raise ConfigError(
                    f"{where}.skip: the layer has {units} units, and {width} numbers enter it: make them the same."
                )
            modules[first:] = [Skip(*modules[first:])]
        width = units
    return Dense(*modules)


def _is_linear(layer: HiddenLayer | OutputLayer) -> bool:
    return layer.activation in ("linear", "identity", "tf.identity")


def _batch_norm(width: int, options: dict[str, object], where: str) -> nn.BatchNorm1d:
    """Keras' BatchNormalization: momentum 0.99 is torch's 0.01, epsilon is 1e-3."""
    known = {"momentum": 0.99, "epsilon": 1e-3, "center": True, "scale": True}
    for key, value in options.items():
        if key not in known:
            raise ConfigError(f"{where}.{key} is not known.{suggestion(key, known)} Known: {', '.join(known)}.")
        if isinstance(known[key], bool) != isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ConfigError(
                f"{where}.{key} = {value!r}: expected {'true or false' if known[key] is True else 'a number'}."
            )
    settings = {**known, **options}
    if not 0 <= float(settings["momentum"]) < 1 or float(settings["epsilon"]) <= 0:  # type: ignore[arg-type]
        raise ConfigError(f"{where}: expected 0 <= momentum < 1 and epsilon > 0, got {options}.")
    layer = nn.BatchNorm1d(width, eps=float(settings["epsilon"]), momentum=1.0 - float(settings["momentum"]))  # type: ignore[arg-type]
    layer.bias.requires_grad_(bool(settings["center"]))
    layer.weight.requires_grad_(bool(settings["scale"]))
    return layer


class PolicyNetwork(nn.Module):
    """States -> policies: (normalisation,) network, per-policy activations.

    Args:
        body: maps `[batch, n_states]` to `[batch, n_policies]`.
        variables: the policies with their activations.
        columns: where each policy lies in the output.
        n_states: columns of the state.
        normalize: whether inputs are normalised.
        own: gives the functions of the model's Activations.py.
        inputs: columns of the state that the body sees; None for all.
        constants: by name, for `around` and `scale` of a policy.
        logarithms: of states, which are taken first.
    """

    def __init__(
        self,
        body: nn.Module,
        variables: Sequence[PolicyVariable],
        columns: Sequence[Column],
        n_states: int,
        normalize: bool,
        own: Callable[[str], Any] | None = None,
        inputs: Sequence[int] | None = None,
        constants: Mapping[str, Any] | None = None,
        logarithms: Logarithms | None = None,
    ) -> None:
        super().__init__()
        self.logarithms = logarithms
        self.inputs = None if inputs is None else list(inputs)
        self.normalization = Normalization(n_states) if normalize else None
        self.body = body
        self.n_outputs = columns[-1].stop
        functions = [
            _function(i, variable, column, own, constants or {})
            for i, (variable, column) in enumerate(zip(variables, columns, strict=True))
        ]
        self.units = units(variables, columns, [function for _, function in functions], constants or {})
        self.pieces = _pieces(columns, functions)
        self.activations = nn.ModuleList(
            f for _, _, f in self.pieces if isinstance(f, nn.Module)
        )  # to the device with the rest

    def fit_inputs(self, states: Tensor) -> None:
        """Takes the normalisation of inputs, where there is one, from states `[batch, n_states]`."""
        if self.normalization is not None:
            self.normalization.fit(states if self.logarithms is None else self.logarithms(states))

    def forward(self, states: Tensor) -> Tensor:
        """`[*batch, n_states]` -> `[*batch, n_policies]`."""
        x = states if states.ndim == 2 else states.reshape(-1, states.shape[-1])
        if self.logarithms is not None:
            x = self.logarithms(x)
        if self.normalization is not None:
            x = self.normalization(x)
        if self.inputs is not None:
            x = x[:, self.inputs]
        raw = self.body(x)
        if raw.shape[-1] != self.n_outputs:
            raise ValueError(f"it has {raw.shape[-1]} outputs, expected {self.n_outputs}, one for each policy entry")
        policies = self._activated(raw)
        return policies if states.ndim == 2 else policies.reshape(*states.shape[:-1], -1)

    def _activated(self, raw: Tensor) -> Tensor:
        """Policies of what the body gives, both `[batch, n_policies]`."""
        if self.units is not None:
            raw = self.units(raw)
        if len(self.pieces) == 1:
            return raw if self.pieces[0][2] is None else self.pieces[0][2](raw)
        if any(function is not None for _, _, function in self.pieces):
            return torch.cat([raw[:, a:b] if f is None else f(raw[:, a:b]) for a, b, f in self.pieces], dim=-1)
        return raw

    def signs(self) -> Tensor:
        """`[n_policies]`: 1 or -1 where the activation keeps a policy on that side of zero, 0 elsewhere."""
        like = next(self.body.parameters(), torch.empty(()))
        outputs = torch.linspace(-50, 50, 3, dtype=like.dtype, device=like.device)[:, None].expand(-1, self.n_outputs)
        with torch.no_grad():
            signs = self._activated(outputs).sign()
        return torch.where((signs == signs[0]).all(0), signs[0], 0.0)


def _function(
    i: int, variable: PolicyVariable, column: Column, own: Callable[[str], Any] | None, constants: Mapping[str, Any]
) -> tuple[object, activations.Activation | None]:  # fmt: skip
    """The activation of the i-th policy, and what it has in common with those that may be called together with it."""
    if variable.activation is None:
        return None, None
    if variable.activation == "implied":
        bound = column.bound.flat
        lower, upper = bound.lower, bound.upper
        if lower is None or upper is None:
            raise ConfigError(f"variables.policies[{i}]: activation `implied` needs both bounds.")
        shared = ("implied", lower, upper) if not isinstance(lower, Tensor) else ("implied", i)
        return shared, Implied(lower, upper)
    if variable.activation == "relative":
        return ("relative", i), relative(variable, column, constants, f"variables.policies[{i}] {variable.name!r}")
    with warnings.catch_warnings(action="ignore"):  # softmax without `dim`
        where = f"variables.policies[{i}] {variable.name!r}.activation"
        function = activations.activation(variable.activation, where, own)
        if is_elementwise(function):
            return variable.activation, function
    return (variable.activation, i), _over_last_axis(function, column.shape)


def _pieces(
    columns: Sequence[Column], functions: Sequence[tuple[object, activations.Activation | None]]
) -> list[tuple[int, int, activations.Activation | None]]:
    """(start, stop, function) of each policy; neighbours with the same activation are one piece where it is elementwise."""
    pieces: list[tuple[int, int, activations.Activation | None]] = []
    names: list[object] = []
    for column, (name, function) in zip(columns, functions, strict=True):
        if pieces and names[-1] == name:
            pieces[-1] = (pieces[-1][0], column.stop, pieces[-1][2])
        else:
            pieces.append((column.start, column.stop, function))
            names.append(name)
    return pieces


def _over_last_axis(function: Callable[..., Tensor], shape: tuple[int, ...]) -> activations.Activation:
    """A function of `[n, m]`, applied to `[batch, entries]` over the last axis of a variable's shape."""
    if "dim" in getattr(function, "__annotations__", {}):  # PyTorch warns where it has to guess it
        function = partial(function, dim=-1)
    last = shape[-1] if shape else 1
    return lambda x: function(x.reshape(-1, last)).reshape(x.shape)
