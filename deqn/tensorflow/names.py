"""What `import tensorflow as tf` and `import keras` give inside a model's files: a documented set of names on PyTorch.

docs/reference/tensorflow_model_files.md lists them. A name outside is an AttributeError that says so; `--check` finds it before
anything runs.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deqn.errors import suggestion
from deqn.numerics.rng import Rng
from deqn.tensorflow import functions, shapes
from deqn.tensorflow.control import ASSERTIONS, CONTROL
from deqn.tensorflow.draws import random
from deqn.tensorflow.gradients import GradientTape
from deqn.tensorflow.keras import KERAS
from deqn.tensorflow.summary import summary
from deqn.tensorflow.tensors import TYPES, Variable, as_type, convert

PACKAGES = ("tensorflow", "keras")

_LINALG: dict[str, Any] = {
    "matmul": shapes.matmul, "matvec": shapes.matvec, "tensordot": shapes.tensordot, "einsum": shapes.einsum,
    "norm": shapes.norm, "eye": shapes.eye, "inv": functions.one(torch.linalg.inv), "det": functions.one(torch.linalg.det),
    "cholesky": functions.one(torch.linalg.cholesky), "pinv": functions.one(torch.linalg.pinv),
    "trace": functions.one(lambda x: x.diagonal(dim1=-2, dim2=-1).sum(-1)),
    "diag": functions.one(torch.diag_embed), "diag_part": functions.one(lambda x: x.diagonal(dim1=-2, dim2=-1)),
    "matrix_transpose": functions.one(lambda x: x.mT), "solve": functions.two(torch.linalg.solve),
    "l2_normalize": functions.l2_normalize,
}  # fmt: skip

_SORTING: dict[str, Any] = {
    "argmax": functions.argmax, "argmin": functions.argmin, "cumsum": functions.cumsum, "l2_normalize": functions.l2_normalize,
    "add_n": functions.add_n,
}  # fmt: skip

_TOP: dict[str, Any] = {
    name: getattr(shapes, name)
    for name in (
        "constant", "convert_to_tensor", "cast", "saturate_cast", "zeros", "ones", "zeros_like", "ones_like", "fill", "eye",
        "linspace", "one_hot", "shape", "size", "rank", "reshape", "expand_dims", "squeeze", "transpose", "concat", "stack",
        "unstack", "split", "tile", "repeat", "broadcast_to", "reverse", "roll", "pad", "meshgrid", "gather", "gather_nd",
        "tensor_scatter_nd_update", "tensor_scatter_nd_add", "tensor_scatter_nd_sub", "scatter_nd", "boolean_mask", "where",
        "unique", "matmul", "tensordot", "einsum", "norm",
    )
} | {
    "range": shapes.range_, "slice": shapes.slice_, "newaxis": None, "Tensor": Tensor, "Variable": Variable,
    "GradientTape": GradientTape, "clip_by_value": functions.clip_by_value, "sort": functions.sort,
    "argsort": functions.argsort, "searchsorted": functions.searchsorted, "Module": object,
    "TensorShape": lambda dims: tuple(dims), "TensorSpec": lambda shape=None, dtype=None, name=None: None,
    "__version__": "2.15.0 (on PyTorch)",
}  # fmt: skip

_NN = (
    "relu", "relu6", "elu", "selu", "silu", "swish", "sigmoid", "softplus", "softsign", "tanh",
)  # fmt: skip

_OLD_NUMPY: dict[str, Any] = {
    "int": int, "float": float, "bool": bool, "object": object, "str": str, "complex": complex, "Inf": np.inf,
    "Infinity": np.inf, "infty": np.inf, "PINF": np.inf, "NINF": -np.inf, "NaN": np.nan, "NAN": np.nan, "PZERO": 0.0,
    "NZERO": -0.0, "float_": np.float64, "complex_": np.complex128, "product": np.prod, "cumproduct": np.cumprod,
    "alltrue": np.all, "sometrue": np.any, "round_": np.round,
}  # fmt: skip

# what has no name of the same sound in PyTorch
_INSTEAD = {
    "scan": "a loop in Python", "foldl": "a loop in Python", "data": "plain tensors", "io": "Python's open",
    "train": "the checkpoints of the run", "estimator": "deqn train", "TensorArray": "a list, and tf.stack",
}  # fmt: skip


# which call the method of that name with NumPy's arguments, which a tensor of PyTorch does not take
_METHODS = ("mean", "sum", "max", "min", "amax", "amin", "std", "var", "prod", "all", "any", "flip")


class Names:
    """A namespace of TensorFlow: its names, and namespaces inside it.

    Args:
        path: `tf` or `tf.math`, as it is written.
    """

    def __init__(self, path: str) -> None:
        self.__dict__["_path"] = path

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise AttributeError(self.missing(name))

    def __iter__(self) -> Iterator[str]:
        return (name for name in self.__dict__ if not name.startswith("_"))

    def missing(self, name: str) -> str:
        full = f"{self._path}.{name}"
        return (
            f"{full} is not among the names of TensorFlow that are here (docs/reference/tensorflow_model_files.md)."
            + torch_name(name)
            + (suggestion(name, self).replace("Did you mean ", f"Did you mean {self._path}.") or "")
        )

    def _put(self, path: str, value: Any) -> None:
        head, _, rest = path.partition(".")
        if rest:
            inner = self.__dict__.setdefault(head, Names(f"{self._path}.{head}"))
            inner._put(rest, value)
        else:
            self.__dict__[head] = value


def torch_name(name: str) -> str:
    """' In PyTorch: torch.x.' where there is something of that name, or what takes its place."""
    for owner, label in ((torch, "torch"), (torch.linalg, "torch.linalg"), (torch.special, "torch.special"),
                         (torch.nn.functional, "torch.nn.functional"), (torch.nn, "torch.nn")):  # fmt: skip
        if callable(getattr(owner, name, None)):
            return f" In PyTorch: {label}.{name}."
    return f" Use {_INSTEAD[name]}." if name in _INSTEAD else ""


def build(
    parameters: Any = None,
    linking: Callable[[], bool] = lambda: False,
    all_nodes: Callable[[], bool] = lambda: False,
) -> Names:
    """The names for one model.

    Args:
        parameters: `Parameters` of the model: its generator, its type, where summaries go; None before there is a model.
        linking: whether a file of the model is being run for the first time.
        all_nodes: whether a step is taken to all shock nodes at once.
    """
    if parameters is None:
        parameters = types.SimpleNamespace(
            rng=Rng(0), summary=None, gradient_steps=0, states=(), policy_states=(), definitions=()
        )
    elementwise = {**functions.ONE, **functions.TWO, **functions.REDUCTIONS, **_SORTING}
    types_ = {**TYPES, "float32": torch.get_default_dtype()}
    root = Names("tf")
    tables: dict[str, Mapping[str, Any]] = {
        "": {**elementwise, **_TOP, **types_, **CONTROL, **_spread(all_nodes)},
        "math.": {**elementwise, "cumprod": functions.cumprod, "top_k": functions.top_k, "softmax": functions.softmax,
                  "log_softmax": functions.log_softmax, "is_nan": functions.ONE["is_nan"]},
        "nn.": {**{name: functions.ONE[name] for name in _NN}, "leaky_relu": functions.leaky_relu, "gelu": functions.gelu,
                "softmax": functions.softmax, "log_softmax": functions.log_softmax, "l2_normalize": functions.l2_normalize,
                "top_k": functions.top_k},
        "linalg.": _LINALG,
        "dtypes.": {**types_, "cast": shapes.cast, "as_dtype": as_type, "DType": torch.dtype},
        "random.": random(getattr(parameters.rng, "rng", parameters.rng), linking),
        "summary.": summary(parameters, lambda: _drawn(parameters)),
        "debugging.": ASSERTIONS,
        "keras.": KERAS,
    }  # fmt: skip
    for prefix, table in tables.items():
        for name, value in table.items():
            root._put(prefix + name, value)
    return root


def _drawn(parameters: Any) -> set[str]:
    """Names of the histograms that the run draws by itself."""
    return {f"hist_{name}" for name in (*parameters.states, *parameters.policy_states, *parameters.definitions)}


def _spread(all_nodes: Callable[[], bool]) -> dict[str, Any]:
    """`repeat`, `fill` and `constant`, which spread one shock over a batch: of all nodes at once, each node's over its row."""

    def each(value: Any) -> bool:
        return isinstance(value, Tensor | np.ndarray) and value.ndim > 1 and value.shape[-1] == 1 and all_nodes()

    def repeat(input: Any, repeats: Any, axis: int | None = None, name: str | None = None) -> Tensor:
        if axis is None and each(input) and not isinstance(repeats, list | tuple):
            return convert(input).expand(*input.shape[:-1], int(repeats))
        return shapes.repeat(input, repeats, axis)

    def fill(dims: Any, value: Any, name: str | None = None) -> Tensor:
        if each(value) and len(dims) == 1:
            return convert(value).expand(*value.shape[:-1], int(dims[0]))
        return shapes.fill(dims, value)

    def constant(value: Any, dtype: Any = None, shape: Any = None, name: str | None = None) -> Tensor:
        if each(value) and shape is not None:
            return fill(shape, convert(value, dtype))
        return shapes.constant(value, dtype, shape)

    return {"repeat": repeat, "fill": fill, "constant": constant}


def imported(root: Names, name: str, fromlist: Sequence[str] | None = ()) -> Any:
    """What `import tensorflow.x` or `from tensorflow.x import y` binds: the answer of `__import__`.

    Raises:
        AttributeError: where there is no such name.
    """
    head, *inner = name.split(".")
    top = place = root.keras if head == "keras" else root
    for part in inner:
        place = getattr(place, part)
    return place if fromlist else top


def old_numpy() -> types.ModuleType:
    """NumPy with the names that it has dropped since (`np.int`, `np.Inf`, ...) and with reductions that take tensors."""
    module = types.ModuleType("numpy")
    module.__dict__.update(vars(np))
    module.__dict__.update({name: _of_arrays(getattr(np, name)) for name in _METHODS})
    for name, value in _OLD_NUMPY.items():
        module.__dict__.setdefault(name, value)
    return module


def _of_arrays(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(a: Any, *arguments: Any, **named: Any) -> Any:
        return function(a.cpu().numpy() if isinstance(a, Tensor) else a, *arguments, **named)

    return call
