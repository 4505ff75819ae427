"""Named columns of a tensor whose last dimension is the variable, and the namespaces that model files see."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from deqn.economy.bounds import NO_BOUND, Bound
from deqn.errors import suggestion
from deqn.numerics.once import once

Accessor = Callable[..., Tensor]


class Namespace:
    """Attributes by name. An unknown name is an AttributeError that suggests the nearest one."""

    def __init__(self, label: str, entries: Mapping[str, Any] | None = None) -> None:
        self.__dict__["_label"] = label
        self.__dict__.update(entries or {})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise AttributeError(f"{self._label} has no {name!r}.{suggestion(name, self)}")

    def __iter__(self) -> Iterator[str]:
        return (name for name in self.__dict__ if not name.startswith("_"))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and not name.startswith("_") and name in self.__dict__

    def __repr__(self) -> str:
        return f"<{self._label}: {', '.join(self)}>"


class ReadOnly(Namespace):
    """A namespace that model files can read but not change."""

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(
            f"{self._label} is read-only: {self._label}.{name} cannot be set from a model file. "
            "Constants belong to config/constants, derived ones to Calibration.py."
        )


@dataclass(frozen=True)
class Column:
    """Where one variable lies in the last dimension."""

    name: str
    start: int
    shape: tuple[int, ...] = ()
    bound: Bound = NO_BOUND

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def stop(self) -> int:
        return self.start + self.size

    @property
    def labels(self) -> list[str]:
        """One label an entry: 'K', or 'mass[0,17]' for a variable with a shape."""
        if not self.shape:
            return [self.name]
        indices = torch.cartesian_prod(*(torch.arange(n) for n in self.shape)).reshape(self.size, -1)
        return [f"{self.name}[{','.join(map(str, index))}]" for index in indices.tolist()]

    def raw(self, x: Tensor) -> Tensor:
        """The variable as it is stored: `[*batch, n]` -> `[*batch, *shape]`."""
        return once(x, (self.start, self.shape), self._raw)

    def _raw(self, x: Tensor) -> Tensor:
        if not self.shape:
            return x[..., self.start]
        return x[..., self.start : self.stop].unflatten(-1, self.shape)

    def bounded(self, x: Tensor) -> Tensor:
        """The variable cut to its bounds: `[*batch, n]` -> `[*batch, *shape]`."""
        return once(self.raw(x), self.bound, self.bound.apply)


def lay_out(variables: Sequence[tuple[str, Sequence[int], Bound]]) -> list[Column]:
    """Columns one after the other, in the order of the YAML file."""
    columns: list[Column] = []
    for name, shape, bound in variables:
        columns.append(Column(name, columns[-1].stop if columns else 0, tuple(shape), bound))
    return columns


def describe_state(columns: Sequence[Column], state: Tensor) -> str:
    """'K=0.31, z=-0.2'; of a variable with a shape, its range.

    Args:
        state: `[n_states]`.
    """
    parts = []
    for column in columns[:8]:
        value = column.raw(state)
        if column.shape:
            parts.append(f"{column.name} in [{float(value.min()):.6g}, {float(value.max()):.6g}]")
        else:
            parts.append(f"{column.name}={float(value):.6g}")
    return ", ".join(parts) + (", ..." if len(columns) > 8 else "")


class Columns(ReadOnly):
    """Accessors by name: `State.K(x)` is bounded, `State.K_RAW(x)` is not.

    Accessors take `[*batch, n]` and return `[*batch]`, or `[*batch, *shape]` for a variable with a shape.

    Example:
        >>> State = Columns("State", lay_out([("K", (), Bound(lower=1.0)), ("z", (), Bound())]))
        >>> State.K(torch.tensor([[0.5, 2.0]])), State.K_RAW(torch.tensor([[0.5, 2.0]]))
        (tensor([1.]), tensor([0.5000]))
    """

    def __init__(self, label: str, columns: Sequence[Column], extra: Mapping[str, Any] | None = None) -> None:
        super().__init__(label, {"update": self._update, "update_dict": self._update_dict, **(extra or {})})
        self._take(columns)

    def _take(self, columns: Sequence[Column]) -> None:
        """Accessors of these columns, in the place of those of before: bounds may be known later than names."""
        for column in columns:
            self.__dict__[column.name] = column.bounded
            self.__dict__[f"{column.name}_RAW"] = column.raw
        self.__dict__["_columns"] = {column.name: column for column in columns}

    def _update(self, x: Tensor, name: str, value: Any) -> Tensor:
        """`x` with one variable replaced; `x` itself is unchanged.

        Args:
            x: `[*batch, n]`.
            value: a number, or a tensor that broadcasts with `[*batch, *shape of the variable]`.
        """
        return self._update_dict(x, {name: value})

    def _update_dict(self, x: Tensor, values: Mapping[str, Any]) -> Tensor:
        """`x` with several variables replaced, each in its own column; `x` itself is unchanged.

        Args:
            x: `[*batch, n]`.
            values: name -> a number, or a tensor that broadcasts with `[*batch, *shape of the variable]`.
        """
        new: dict[Column, Tensor] = {}
        for name, value in values.items():
            column = self._columns.get(name)
            column = column or self._columns.get(unicodedata.normalize("NFKC", name))  # as Python reads State.<name>
            if column is None:
                raise AttributeError(f"{self._label}.update: no variable {name!r}.{suggestion(name, self._columns)}")
            value = torch.as_tensor(value, dtype=x.dtype, device=x.device)
            if len(values) == 1 < x.shape[-1] and value.shape == x.shape[:-1] and not column.shape:
                return x.select_scatter(value, -1, column.start)  # the usual case, in one operation
            if column.shape:
                value = torch.broadcast_tensors(value, x.new_empty(()).expand(column.shape))[0]
                value = value.flatten(-len(column.shape))
            new[column] = value
        # torch.broadcast_shapes would import sympy, which takes half a second
        alike = torch.broadcast_tensors(
            x[..., 0], *(value[..., 0] if column.shape else value for column, value in new.items())
        )
        if len(new) == x.shape[-1]:  # all columns: nothing of `x` is copied, and nothing of it has a gradient
            parts = [part for _, part in sorted(zip(new, alike[1:], strict=True), key=lambda pair: pair[0].start)]
            if torch.compiler.is_compiling():  # in memory a column is in one piece, so that its loops are vectorised
                return torch.stack(parts).movedim(0, -1)
            return torch.stack(parts, -1)
        result = x.expand(*alike[0].shape, x.shape[-1]).clone()
        for column, value in new.items():
            if column.shape:
                result[..., column.start : column.stop] = value
            else:
                result[..., column.start] = value
        return result
