"""TensorFlow's tensors, types and variables on PyTorch: what counts as a tensor, and of which type it is.

A floating number without a type of its own (a number, a list, a NumPy array) has the type of the run, `run.keras_precision`;
so has `tf.float32`, so that a folder that names it can be run in float64. Source of the names: TensorFlow 2 API, tensorflow.org.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

# names of types; float32 is the type of the run
TYPES: dict[str, torch.dtype] = {
    "float16": torch.float16, "bfloat16": torch.bfloat16, "float64": torch.float64, "double": torch.float64,
    "int8": torch.int8, "int16": torch.int16, "int32": torch.int32, "int64": torch.int64, "uint8": torch.uint8,
    "bool": torch.bool, "complex64": torch.complex64, "complex128": torch.complex128,
}  # fmt: skip

variables: weakref.WeakSet[Tensor] = weakref.WeakSet()  # those that a tape watches by itself


def as_type(dtype: Any) -> torch.dtype:
    """A type given as `tf.float32`, as a text, as NumPy's or Python's; float32 is the type of the run."""
    if isinstance(dtype, torch.dtype):
        return torch.get_default_dtype() if dtype is torch.float32 else dtype
    if dtype is float:
        return torch.get_default_dtype()
    if dtype is int:
        return torch.int32
    name = "bool" if dtype is bool else dtype if isinstance(dtype, str) else np.dtype(dtype).name
    return torch.get_default_dtype() if name in ("float32", "float") else TYPES[name]


def convert(value: Any, dtype: Any = None) -> Tensor:
    """`tf.convert_to_tensor`: a number, a list (tensors may be in it), an array or a tensor, as a tensor."""
    wanted = None if dtype is None else as_type(dtype)
    if isinstance(value, Tensor):
        return value if wanted is None or value.dtype == wanted else value.to(wanted)
    if isinstance(value, list | tuple) and _holds_tensor(value):
        parts = torch.broadcast_tensors(*(convert(entry, dtype) for entry in value))
        kind = next((part.dtype for part in parts if part.is_floating_point()), parts[0].dtype)
        return torch.stack([part.to(kind) for part in parts])
    if isinstance(value, bool | int | float):
        if wanted is None:
            wanted = torch.bool if isinstance(value, bool) else torch.int32 if isinstance(value, int) else None
        return torch.tensor(
            float(value) if isinstance(value, float) else value, dtype=wanted
        )  # NumPy's float64 is a float
    if hasattr(value, "__next__") or isinstance(value, range):
        value = list(value)
    array = np.asarray(value)
    if wanted is None:
        if np.issubdtype(array.dtype, np.floating):
            wanted = torch.get_default_dtype()
        elif np.issubdtype(array.dtype, np.integer) and not isinstance(value, np.ndarray | np.generic):
            wanted = torch.int32
    return torch.as_tensor(np.array(array, order="C")).to(device=torch.get_default_device(), dtype=wanted)


def like(value: Any, other: Tensor) -> Tensor:
    """A value as a tensor of the type of another; tensors stay as they are."""
    return value if isinstance(value, Tensor) else convert(value).to(device=other.device, dtype=_common(value, other))


def pair(x: Any, y: Any) -> tuple[Tensor, Tensor]:
    """Both operands as tensors: what is none takes the type of the other one."""
    if isinstance(x, Tensor):
        return x, y if isinstance(y, Tensor) else like(y, x)
    if isinstance(y, Tensor):
        return like(x, y), y
    return convert(x), convert(y)


def integers(values: Any) -> list[int]:
    """A shape, a list of axes or of repeats as Python's numbers: of a list, a tensor, a number."""
    if isinstance(values, Tensor | np.ndarray):
        values = values.tolist()
    if not isinstance(values, list | tuple | torch.Size):
        values = [values]
    return [int(value) for value in values]


def _common(value: Any, other: Tensor) -> torch.dtype:
    """A number does not change the type of an integer tensor to its own unless it has decimals."""
    found = convert(value).dtype
    return found if found.is_floating_point and not other.is_floating_point() else other.dtype


def _holds_tensor(values: Sequence[Any]) -> bool:
    return any(
        isinstance(value, Tensor) or (isinstance(value, list | tuple) and _holds_tensor(value)) for value in values
    )


class Variable:
    """`tf.Variable`: calling it gives a tensor that can be assigned to in place; what is computed from it is a plain tensor.

    Example:
        >>> count = Variable(1, dtype="int32")
        >>> int(count.assign_add(2))
        3
    """

    def __new__(  # type: ignore[misc]
        cls, initial_value: Any = None, trainable: bool = True, dtype: Any = None, **_: Any
    ) -> Tensor:
        value = initial_value() if callable(initial_value) else initial_value
        made = assignable(convert(value, dtype).detach().clone())
        if trainable:
            variables.add(made)
        return made


def assignable(tensor: Tensor) -> Tensor:
    """The tensor with TensorFlow's methods of a variable: what is assigned stands in its memory."""

    def method(change: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
        def assign(value: Any, **_: Any) -> Tensor:
            with torch.no_grad():
                tensor.copy_(change(convert(value).to(device=tensor.device, dtype=tensor.dtype)))
            return tensor

        return assign

    methods = {
        "assign": method(lambda new: new),
        "assign_add": method(lambda new: tensor + new),
        "assign_sub": method(lambda new: tensor - new),
        "value": lambda: tensor.detach().clone(),
        "read_value": lambda: tensor.detach().clone(),
        "numpy": lambda: tensor.detach().cpu().numpy().copy(),  # a copy: the variable goes on changing
    }
    tensor.__dict__.update(methods)
    return tensor


def view(tensor: Tensor) -> Tensor:
    """A tensor as a variable that shares its memory: `[*shape]`."""
    return assignable(tensor.detach())


def counted(axis: Any, x: Tensor) -> int:
    """An axis of a tensor, counted from the front.

    Raises:
        IndexError: where the tensor has no such axis.
    """
    if not -x.ndim <= int(axis) < x.ndim:
        raise IndexError(f"axis = {int(axis)}, and the tensor has {x.ndim} dimensions")
    return int(axis) % x.ndim
