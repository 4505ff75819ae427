"""Making, cutting, joining, picking and filling tensors, with TensorFlow's arguments and defaults.

Source: TensorFlow 2 API, tensorflow.org.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from deqn.tensorflow.tensors import as_type, convert, counted, integers, pair


def constant(value: Any, dtype: Any = None, shape: Any = None, name: str | None = None) -> Tensor:
    """A tensor of the values; of one value, spread over `shape`."""
    made = convert(value, dtype)
    if shape is None:
        return made
    size = integers(shape)
    return made.expand(size).clone() if made.numel() == 1 and made.ndim <= len(size) else made.reshape(size)


def convert_to_tensor(value: Any, dtype: Any = None, dtype_hint: Any = None, name: str | None = None) -> Tensor:
    return convert(value, dtype)


def cast(x: Any, dtype: Any, name: str | None = None) -> Tensor:
    return convert(x).to(as_type(dtype))


def saturate_cast(x: Any, dtype: Any, name: str | None = None) -> Tensor:
    kind = as_type(dtype)
    info = torch.finfo(kind) if kind.is_floating_point else torch.iinfo(kind)
    return convert(x).clamp(info.min, info.max).to(kind)


def _type(dtype: Any) -> torch.dtype:
    return torch.get_default_dtype() if dtype is None else as_type(dtype)


def zeros(shape: Any, dtype: Any = None, name: str | None = None) -> Tensor:
    return torch.zeros(integers(shape), dtype=_type(dtype))


def ones(shape: Any, dtype: Any = None, name: str | None = None) -> Tensor:
    return torch.ones(integers(shape), dtype=_type(dtype))


def zeros_like(input: Any, dtype: Any = None, name: str | None = None, **_: Any) -> Tensor:
    return torch.zeros_like(convert(input), dtype=None if dtype is None else as_type(dtype))


def ones_like(input: Any, dtype: Any = None, name: str | None = None, **_: Any) -> Tensor:
    return torch.ones_like(convert(input), dtype=None if dtype is None else as_type(dtype))


def fill(dims: Any, value: Any, name: str | None = None) -> Tensor:
    return convert(value).expand(integers(dims)).clone()


def eye(
    num_rows: Any, num_columns: Any = None, batch_shape: Any = None, dtype: Any = None, name: str | None = None
) -> Tensor:
    n, m = int(num_rows), int(num_rows if num_columns is None else num_columns)
    made = torch.eye(n, m, dtype=_type(dtype))
    return made if batch_shape is None else made.expand(*integers(batch_shape), n, m).clone()


def linspace(start: Any, stop: Any, num: Any, name: str | None = None, axis: int = 0) -> Tensor:
    """`num` evenly spaced values from start to stop, both among them."""
    low, high = pair(start, stop)
    low, high = torch.broadcast_tensors(low, high)
    if not low.is_floating_point():
        low, high = low.to(torch.get_default_dtype()), high.to(torch.get_default_dtype())
    n = int(num)
    share = torch.arange(n, dtype=low.dtype).reshape(-1, *[1] * low.ndim) / max(n - 1, 1)
    values = low + share * (high - low)
    if n > 1:
        values = torch.cat([values[:-1], high[None]])  # exactly there, as TensorFlow
    return values.movedim(0, axis)


def range_(start: Any, limit: Any = None, delta: Any = 1, dtype: Any = None, name: str | None = None) -> Tensor:
    """`tf.range`: integers of 32 bits, or decimal numbers where one of the arguments is one."""
    if limit is None:
        start, limit = 0, start
    values = [x.item() if isinstance(x, Tensor) else x for x in (start, limit, delta)]
    if dtype is not None:
        kind = as_type(dtype)
    else:
        kind = torch.get_default_dtype() if any(isinstance(x, float) for x in values) else torch.int32
    return torch.arange(*values, dtype=kind)


def one_hot(
    indices: Any, depth: Any, on_value: Any = None, off_value: Any = None, axis: int | None = None, dtype: Any = None,
    name: str | None = None,
) -> Tensor:  # fmt: skip
    places = convert(indices).long()
    hit = places[..., None] == torch.arange(int(depth))
    on, off = pair(1.0 if on_value is None else on_value, 0.0 if off_value is None else off_value)
    made = torch.where(hit, on, off)
    made = made if dtype is None else made.to(as_type(dtype))
    return made if axis is None or axis == -1 else made.movedim(-1, axis)


# -- shapes -------------------------------------------------------------------------------------------------------


def shape(input: Any, out_type: Any = torch.int32, name: str | None = None) -> Tensor:
    return torch.tensor(list(convert(input).shape), dtype=out_type)


def size(input: Any, out_type: Any = torch.int32, name: str | None = None) -> Tensor:
    return torch.tensor(convert(input).numel(), dtype=out_type)


def rank(input: Any, name: str | None = None) -> Tensor:
    return torch.tensor(convert(input).ndim, dtype=torch.int32)


def reshape(tensor: Any, shape: Any, name: str | None = None) -> Tensor:
    return convert(tensor).reshape(integers(shape))


def expand_dims(input: Any, axis: Any, name: str | None = None) -> Tensor:
    return convert(input).unsqueeze(integers(axis)[0])


def squeeze(input: Any, axis: Any = None, name: str | None = None) -> Tensor:
    """Without the dimensions of one entry; `axis` names those to take out, which must have one."""
    x = convert(input)
    if axis is None:
        return x.squeeze()
    axes = [counted(axis, x) for axis in integers(axis)]
    for axis in axes:
        if x.shape[axis] != 1:
            raise ValueError(f"tf.squeeze: dimension {axis} has {x.shape[axis]} entries, expected 1.")
    return x.squeeze(tuple(axes))


def transpose(a: Any, perm: Any = None, conjugate: bool = False, name: str | None = None) -> Tensor:
    x = convert(a)
    return x.permute(*(reversed(range(x.ndim)) if perm is None else integers(perm)))


def concat(values: Any, axis: Any, name: str | None = None) -> Tensor:
    tensors = [convert(value) for value in values] if isinstance(values, list | tuple) else [convert(values)]
    return torch.cat(tensors, int(axis))


def stack(values: Any, axis: int = 0, name: str | None = None) -> Tensor:
    return torch.stack([convert(value) for value in values], int(axis))


def unstack(value: Any, num: int | None = None, axis: int = 0, name: str | None = None) -> list[Tensor]:
    return list(convert(value).unbind(int(axis)))


def split(
    value: Any, num_or_size_splits: Any, axis: int = 0, num: int | None = None, name: str | None = None
) -> list[Tensor]:
    """In so many equal parts, or in parts of the given sizes (one of them may be -1: the rest)."""
    x, axis = convert(value), int(axis)
    given = integers(num_or_size_splits)
    if not isinstance(num_or_size_splits, list | tuple) and len(given) == 1:
        parts = given[0]
        if x.shape[axis] % parts:
            raise ValueError(f"tf.split: {x.shape[axis]} entries along axis {axis} are no multiple of {parts}.")
        return list(x.split(x.shape[axis] // parts, axis))
    rest = x.shape[axis] - sum(n for n in given if n >= 0)
    return list(x.split([rest if n < 0 else n for n in given], axis))


def tile(input: Any, multiples: Any, name: str | None = None) -> Tensor:
    x, times = convert(input), integers(multiples)
    if len(times) != x.ndim:
        raise ValueError(f"tf.tile: {len(times)} multiples for a tensor with {x.ndim} dimensions.")
    return x.repeat(*times) if times else x


def repeat(input: Any, repeats: Any, axis: int | None = None, name: str | None = None) -> Tensor:
    """Each entry so many times, one after the other; of the flattened tensor where no axis is given."""
    x, times = convert(input), integers(repeats)
    if axis is None:
        x, axis = x.reshape(-1), 0
    n = times[0] if len(times) == 1 else torch.tensor(times)
    return torch.repeat_interleave(x, n, dim=int(axis))


def broadcast_to(input: Any, shape: Any, name: str | None = None) -> Tensor:
    return convert(input).expand(integers(shape))


def reverse(tensor: Any, axis: Any, name: str | None = None) -> Tensor:
    return convert(tensor).flip(integers(axis))


def roll(input: Any, shift: Any, axis: Any, name: str | None = None) -> Tensor:
    return torch.roll(convert(input), integers(shift), integers(axis))


def pad(
    tensor: Any, paddings: Any, mode: str = "CONSTANT", constant_values: float = 0, name: str | None = None
) -> Tensor:
    """`paddings`: for each dimension, how many entries before and after it."""
    if mode.upper() != "CONSTANT":
        raise ValueError(f"tf.pad: mode {mode!r} is not there, only CONSTANT.")
    sides = paddings.tolist() if isinstance(paddings, Tensor) else paddings
    return F.pad(convert(tensor), [int(n) for side in reversed(list(sides)) for n in side], value=constant_values)


def slice_(input_: Any, begin: Any, size: Any, name: str | None = None) -> Tensor:
    """`tf.slice`: from `begin`, `size` entries along each dimension; -1: all that are left."""
    x = convert(input_)
    for axis, (start, n) in enumerate(zip(integers(begin), integers(size), strict=True)):
        x = x.narrow(axis, start, x.shape[axis] - start if n < 0 else n)
    return x


def meshgrid(*args: Any, indexing: str = "xy", name: str | None = None) -> list[Tensor]:
    return list(torch.meshgrid(*(convert(x) for x in args), indexing=indexing))


# -- picking and filling ------------------------------------------------------------------------------------------


def gather(
    params: Any,
    indices: Any,
    validate_indices: Any = None,
    axis: Any = None,
    batch_dims: int = 0,
    name: str | None = None,
) -> Tensor:
    """Entries along an axis (by default the first after the batch): `[..., *shape of indices, ...]`."""
    x, places = convert(params), convert(indices).long()
    axis = counted(batch_dims if axis is None else axis, x)
    if batch_dims == 0:
        return x.index_select(axis, places.reshape(-1)).reshape(*x.shape[:axis], *places.shape, *x.shape[axis + 1 :])
    flat_x, flat_places = x.flatten(0, batch_dims - 1), places.flatten(0, batch_dims - 1)
    rows = [gather(a, b, axis=axis - batch_dims) for a, b in zip(flat_x, flat_places, strict=True)]
    return torch.stack(rows).unflatten(0, x.shape[:batch_dims])


def gather_nd(params: Any, indices: Any, batch_dims: int = 0, name: str | None = None) -> Tensor:
    """Entries at indices `[..., depth]`: the last dimension counts along the first `depth` dimensions."""
    x, places = convert(params), convert(indices).long()
    if batch_dims:
        rows = [
            gather_nd(a, b)
            for a, b in zip(x.flatten(0, batch_dims - 1), places.flatten(0, batch_dims - 1), strict=True)
        ]
        return torch.stack(rows).unflatten(0, x.shape[:batch_dims])
    return x[places.unbind(-1)]


def _put(tensor: Any, indices: Any, updates: Any, accumulate: bool, sign: float = 1.0) -> Tensor:
    x, places = convert(tensor), convert(indices).long()
    values = convert(updates).to(x.dtype) * sign if sign != 1.0 else convert(updates).to(x.dtype)
    return x.index_put(places.unbind(-1), values, accumulate=accumulate)


def tensor_scatter_nd_update(tensor: Any, indices: Any, updates: Any, name: str | None = None) -> Tensor:
    """The tensor with the entries at indices `[..., depth]` replaced; the tensor itself is unchanged."""
    return _put(tensor, indices, updates, accumulate=False)


def tensor_scatter_nd_add(tensor: Any, indices: Any, updates: Any, name: str | None = None) -> Tensor:
    return _put(tensor, indices, updates, accumulate=True)


def tensor_scatter_nd_sub(tensor: Any, indices: Any, updates: Any, name: str | None = None) -> Tensor:
    return _put(tensor, indices, updates, accumulate=True, sign=-1.0)


def scatter_nd(indices: Any, updates: Any, shape: Any, name: str | None = None) -> Tensor:
    values = convert(updates)
    return _put(torch.zeros(integers(shape), dtype=values.dtype), indices, values, accumulate=True)


def boolean_mask(tensor: Any, mask: Any, axis: int | None = None, name: str = "") -> Tensor:
    x, chosen = convert(tensor), convert(mask).bool()
    axis = 0 if axis is None else int(axis)
    if axis == 0:
        return x[chosen]
    return x.index_select(axis, chosen.nonzero()[:, 0])


def where(condition: Any, x: Any = None, y: Any = None, name: str | None = None) -> Tensor:
    """x where the condition holds, else y; with neither, the indices where it holds: `[n, dimensions]`."""
    holds = convert(condition).bool()
    if x is None or y is None:
        return holds.nonzero()
    return torch.where(holds, *pair(x, y))


def unique(x: Any, out_idx: Any = torch.int32, name: str | None = None) -> tuple[Tensor, Tensor]:
    """Different values in the order in which they come, and where each entry is among them."""
    x = convert(x)
    values, inverse = torch.unique(x, return_inverse=True)
    first = torch.full((len(values),), len(x)).scatter_reduce(0, inverse, torch.arange(len(x)), "amin")
    order = first.argsort()
    return values[order], order.argsort()[inverse].to(out_idx)


# -- linear algebra -----------------------------------------------------------------------------------------------


def matmul(
    a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False, name: str | None = None, **_: Any
) -> Tensor:
    left, right = pair(a, b)
    return torch.matmul(left.mT if transpose_a else left, right.mT if transpose_b else right)


def matvec(a: Any, b: Any, transpose_a: bool = False, name: str | None = None, **_: Any) -> Tensor:
    left, right = pair(a, b)
    return torch.matmul(left.mT if transpose_a else left, right[..., None])[..., 0]


def tensordot(a: Any, b: Any, axes: Any, name: str | None = None) -> Tensor:
    left, right = pair(a, b)
    if isinstance(axes, int):
        return torch.tensordot(left, right, dims=axes)
    return torch.tensordot(left, right, dims=[integers(side) for side in axes])


def einsum(equation: str, *inputs: Any, **_: Any) -> Tensor:
    return torch.einsum(equation, *(convert(x) for x in inputs))


def norm(
    tensor: Any, ord: Any = "euclidean", axis: Any = None, keepdims: bool = False, name: str | None = None
) -> Tensor:
    x = convert(tensor)
    if axis is None and ord == "euclidean":
        return torch.sqrt(torch.sum(torch.square(x)))
    return torch.linalg.norm(
        x, None if ord == "euclidean" else ord, None if axis is None else tuple(integers(axis)), keepdims
    )
