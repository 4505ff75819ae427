"""`keras` as model files use it: dense layers, dropout and normalisation on PyTorch; settings, classes to derive from.

Layers are put one after the other (`Sequential`) or called on what `Input` gives (`Model(inputs, outputs)`). Defaults are Keras'.
Source of the names: Keras API, keras.io.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from deqn.errors import suggestion
from deqn.numerics.initial_weights import variance_scaling_
from deqn.tensorflow import functions
from deqn.tensorflow.tensors import convert, integers

_ACTIVATIONS: dict[str, Callable[..., Any]] = {
    **{
        name: functions.ONE[name]
        for name in ("relu", "relu6", "elu", "selu", "sigmoid", "softplus", "softsign", "tanh", "swish", "silu", "exp")
    },
    "exponential": functions.ONE["exp"],
    "linear": lambda x: x,
    "gelu": functions.gelu,
    "leaky_relu": functions.leaky_relu,
    "softmax": functions.softmax,
}
_FANS = {
    "glorot_uniform": (1.0, "fan_avg", "uniform"), "glorot_normal": (1.0, "fan_avg", "truncated_normal"),
    "he_uniform": (2.0, "fan_in", "uniform"), "he_normal": (2.0, "fan_in", "truncated_normal"),
    "lecun_uniform": (1.0, "fan_in", "uniform"), "lecun_normal": (1.0, "fan_in", "truncated_normal"),
}  # fmt: skip

Initializer = Callable[[Tensor], Any]


def _chosen(name: str, table: dict[str, Any], what: str) -> Any:
    if name not in table:
        raise ValueError(
            f"keras: there is no {what} {name!r} here.{suggestion(name, table)} Known: {', '.join(table)}."
        )
    return table[name]


def _activation(given: Any) -> Callable[[Tensor], Tensor]:
    if given is None or isinstance(given, str):
        return _chosen(given or "linear", _ACTIVATIONS, "activation")
    return given


def _scaling(
    scale: float = 1.0, mode: str = "fan_in", distribution: str = "truncated_normal", seed: Any = None
) -> Initializer:
    """`VarianceScaling`: weights `[units_out, units_in]`, in place; with a seed of its own or from PyTorch's generator."""

    def fill(weight: Tensor) -> Tensor:
        generator = torch.default_generator if seed is None else torch.Generator().manual_seed(int(seed))
        return variance_scaling_(weight, scale, mode, distribution, generator)

    return fill


_INITIALIZERS: dict[str, Callable[..., Initializer]] = {
    "VarianceScaling": _scaling,
    "RandomNormal": lambda mean=0.0, stddev=0.05, seed=None: lambda w: nn.init.normal_(w, mean, stddev),
    "RandomUniform": lambda minval=-0.05, maxval=0.05, seed=None: lambda w: nn.init.uniform_(w, minval, maxval),
    "TruncatedNormal": lambda mean=0.0, stddev=0.05, seed=None: (
        lambda w: nn.init.trunc_normal_(w, mean, stddev, mean - 2 * stddev, mean + 2 * stddev)
    ),
    "Zeros": lambda: nn.init.zeros_,
    "Ones": lambda: nn.init.ones_,
    "Constant": lambda value=0.0: lambda w: nn.init.constant_(w, value),
    **{"".join(part.title() for part in name.split("_")): partial(_scaling, *fan) for name, fan in _FANS.items()},
}


def _initializer(given: Any) -> Initializer:
    """An initialiser, or one by name: `glorot_uniform`, `zeros`, `random_normal`."""
    if not isinstance(given, str):
        return given
    return _chosen("".join(part.title() for part in given.split("_")), _INITIALIZERS, "initializer")()


class Symbol:
    """What a layer gives before there are numbers: which layer, of what, and a tensor of the shape that it has.

    Args:
        like: `[2, ...]`.
    """

    def __init__(self, layer: Layer | None, sources: list[Symbol], like: Tensor) -> None:
        self.layer, self.sources, self.like = layer, sources, like
        self.shape = (None, *like.shape[1:])


class Layer(nn.Module):
    """`keras.layers.Layer`: derived classes define `call`."""

    def __init__(self, *_: Any, **__: Any) -> None:
        super().__init__()

    def __call__(self, inputs: Any, *more: Any, **named: Any) -> Any:
        several = isinstance(inputs, list | tuple)
        sources = list(inputs) if several else [inputs]
        if not any(isinstance(source, Symbol) for source in sources):
            return super().__call__(inputs, *more, **named)
        with torch.no_grad():
            likes = [source.like for source in sources]
            like = self(likes if several else likes[0], *more, **named)
        bound = Bound(self, several, more, named) if several or more or named else self
        return Symbol(bound, sources, like)

    def forward(self, inputs: Any, *more: Any, **named: Any) -> Any:
        named.pop("training", None)  # PyTorch's own mode says it
        return self.call(inputs, *more, **named)

    def call(self, inputs: Any) -> Any:
        return inputs


class Bound(Layer):
    """A layer with what it was called with beside one tensor."""

    def __init__(self, layer: Layer, several: bool, more: tuple[Any, ...], named: dict[str, Any]) -> None:
        super().__init__()
        self.layer, self.several, self.more, self.named = layer, several, more, named

    def forward(self, *inputs: Tensor) -> Any:
        return self.layer(list(inputs) if self.several else inputs[0], *self.more, **self.named)


class Dense(Layer):
    """`[..., n]` -> `[..., units]`; its weights are made when n is known."""

    def __init__(
        self, units: int, activation: Any = None, use_bias: bool = True, kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros", **_: Any,
    ) -> None:  # fmt: skip
        super().__init__()
        self.units, self.use_bias, self.activation = int(units), use_bias, _activation(activation)
        self._initializers = _initializer(kernel_initializer), _initializer(bias_initializer)
        self.linear: nn.Linear | None = None

    def call(self, inputs: Tensor) -> Tensor:
        if self.linear is None:
            self.linear = nn.Linear(inputs.shape[-1], self.units, self.use_bias)
            self._initializers[0](self.linear.weight)
            if self.use_bias:
                self._initializers[1](self.linear.bias)
        return self.activation(self.linear(inputs))


class Dropout(Layer):
    """Drops entries in gradient steps only."""

    def __init__(self, rate: float, **_: Any) -> None:
        super().__init__()
        self.dropout = nn.Dropout(float(rate))

    def call(self, inputs: Tensor) -> Tensor:
        return self.dropout(inputs)


class BatchNormalization(Layer):
    """With Keras' momentum (0.99 is PyTorch's 0.01) and epsilon."""

    def __init__(
        self, axis: int = -1, momentum: float = 0.99, epsilon: float = 1e-3, center: bool = True, scale: bool = True, **_: Any
    ) -> None:  # fmt: skip
        super().__init__()
        self.epsilon, self.momentum = epsilon, 1 - momentum
        self.center, self.scale = center, scale
        self.norm: nn.BatchNorm1d | None = None

    def call(self, inputs: Tensor) -> Tensor:
        if self.norm is None:
            self.norm = nn.BatchNorm1d(inputs.shape[-1], self.epsilon, self.momentum)
            self.norm.bias.requires_grad_(self.center)
            self.norm.weight.requires_grad_(self.scale)
            self.norm.train(self.training)
        return self.norm(inputs)


class LayerNormalization(Layer):
    """Over the last axis."""

    def __init__(
        self, axis: int = -1, epsilon: float = 1e-3, center: bool = True, scale: bool = True, **_: Any
    ) -> None:
        super().__init__()
        self.epsilon, self.center, self.scale = epsilon, center, scale
        self.norm: nn.LayerNorm | None = None

    def call(self, inputs: Tensor) -> Tensor:
        if self.norm is None:
            self.norm = nn.LayerNorm(inputs.shape[-1], self.epsilon)
            self.norm.bias.requires_grad_(self.center)
            self.norm.weight.requires_grad_(self.scale)
        return self.norm(inputs)


class Function(Layer):
    """`Activation`, `Lambda`, `Concatenate`, ...: a layer without weights."""

    def __init__(self, function: Callable[[Any], Tensor], **_: Any) -> None:
        super().__init__()
        self.function = function

    def call(self, inputs: Any) -> Any:
        return self.function(inputs)


class Network(Layer):
    """A network that PyTorch trains: what `Sequential` and `Model` are."""

    def build(self, input_shape: Any = None) -> None:
        """Makes the weights, for inputs of the last of these numbers."""
        with torch.no_grad():
            self(torch.zeros(2, integers(tuple(input_shape)[-1])[0]))

    def summary(self, *_: Any, **__: Any) -> None:
        print(self)


class Sequential(Network):
    """Layers one after the other."""

    def __init__(self, layers: Iterable[Any] = (), name: str | None = None) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        for layer in layers:
            self.add(layer)

    def add(self, layer: Any) -> None:
        if not isinstance(layer, Symbol):  # an `Input` says a shape that is seen anyway
            self.layers.append(layer)

    def call(self, inputs: Tensor) -> Tensor:
        for layer in self.layers:
            inputs = layer(inputs)
        return inputs


class Model(Network):
    """What leads from one `Input` to the outputs of layers that were called on it."""

    def __init__(self, inputs: Any = None, outputs: Any = None, name: str | None = None) -> None:
        super().__init__()
        if not isinstance(inputs, Symbol) or not isinstance(outputs, Symbol):
            raise ValueError(
                "keras.Model(inputs, outputs): expected one Input and one output; join several by Concatenate."
            )
        self._input, self._order = inputs, _in_order(outputs)
        self._output = outputs
        self.layers = nn.ModuleList(dict.fromkeys(symbol.layer for symbol in self._order if symbol.layer is not None))

    def call(self, inputs: Tensor) -> Tensor:
        values = {id(self._input): inputs}
        for symbol in self._order:
            if symbol.layer is not None:
                values[id(symbol)] = symbol.layer(*(values[id(source)] for source in symbol.sources))
        return values[id(self._output)]


def _in_order(symbol: Symbol) -> list[Symbol]:
    """What a symbol needs, each after what it needs itself."""
    found: dict[int, Symbol] = {}

    def visit(one: Symbol) -> None:
        if id(one) not in found:
            for source in one.sources:
                visit(source)
            found[id(one)] = one

    visit(symbol)
    return list(found.values())


def _input(shape: Any = None, **_: Any) -> Symbol:
    """`keras.Input`: of vectors with so many entries."""
    return Symbol(None, [], torch.zeros(2, *integers(shape)))


class Callback:
    """`keras.callbacks.Callback`: named by folders of the Keras version; nothing calls it here (`cycle_hook` is called)."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass


class Optimizer:
    """`keras.optimizers.Adam` and others where they are only named: the optimizer group says what trains."""

    def __init__(self, learning_rate: Any = None, **options: Any) -> None:
        self.learning_rate, self.options = learning_rate, options


_OPTIMIZERS = ("Adam", "SGD", "RMSprop", "Adagrad", "Adadelta", "Adamax", "Nadam", "Ftrl")


def _leaky(alpha: float = 0.3, negative_slope: float | None = None, **_: Any) -> Function:
    slope = alpha if negative_slope is None else negative_slope
    return Function(lambda x: functions.leaky_relu(x, slope))


KERAS: dict[str, Any] = {
    "backend.set_floatx": lambda floatx: None,  # run.keras_precision says it
    "backend.floatx": lambda: str(torch.get_default_dtype()).removeprefix("torch."),
    "backend.epsilon": lambda: 1e-7,
    "backend.clear_session": lambda *_, **__: None,
    **{
        f"backend.{name}": functions.ONE[name]
        for name in ("abs", "exp", "log", "sigmoid", "softplus", "tanh", "square", "sqrt")
    },
    "utils.set_random_seed": lambda seed: None,
    "callbacks.Callback": Callback,
    **{f"optimizers.{name}": Optimizer for name in _OPTIMIZERS},
    **{f"activations.{name}": function for name, function in _ACTIVATIONS.items()},
    **{f"initializers.{name}": make for name, make in _INITIALIZERS.items()},
    "Input": _input,
    "Sequential": Sequential,
    "models.Sequential": Sequential,
    "Model": Model,
    "models.Model": Model,
    "layers.Layer": Layer,
    "layers.Dense": Dense,
    "layers.Dropout": Dropout,
    "layers.BatchNormalization": BatchNormalization,
    "layers.LayerNormalization": LayerNormalization,
    "layers.Input": _input,
    "layers.InputLayer": lambda input_shape=None, shape=None, **_: _input(
        shape if input_shape is None else input_shape
    ),
    "layers.Activation": lambda activation, **_: Function(_activation(activation)),
    "layers.Lambda": Function,
    "layers.ReLU": lambda **_: Function(functions.ONE["relu"]),
    "layers.LeakyReLU": _leaky,
    "layers.Concatenate": lambda axis=-1, **_: Function(lambda parts: torch.cat(parts, axis)),
    "layers.Add": lambda **_: Function(functions.add_n),
    "layers.Multiply": lambda **_: Function(lambda parts: torch.stack(parts).prod(0)),
    "layers.Rescaling": lambda scale, offset=0.0, **_: Function(lambda x: x * convert(scale) + convert(offset)),
}
