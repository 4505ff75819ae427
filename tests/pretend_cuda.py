"""A GPU that is not there: tensors on `cuda` that compute on the CPU, and refuse what a GPU would refuse.

Where no GPU is at hand, this finds the mistakes that end a run on one: tensors on different devices in one operation, a
tensor made without its device, NumPy asked for a tensor of the GPU, a generator of the other device. Of speed it says nothing,
but `waits` lists where the host would wait for the GPU.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten

CUDA = torch.device("cuda:0")
aten = torch.ops.aten
# these take tensors of two devices, or an index on the CPU
_ACROSS = {
    aten._to_copy.default, aten.copy_.default, aten.index.Tensor, aten._local_scalar_dense.default,
    aten._foreach_copy_.default,
}  # fmt: skip
# of these, the host must know a number of the device
_ASKS = {
    aten._local_scalar_dense.default, aten.equal.default, aten.nonzero.default, aten.masked_select.default,
    aten._unique2.default, aten.repeat_interleave.Tensor,
}  # fmt: skip
waits: list[str] = []  # operations for which the host has waited: a test clears it, and counts


class OnCuda(Tensor):
    """A tensor that says it is on `cuda:0`; its numbers are in `held`, on the CPU."""

    held: Tensor

    @staticmethod
    def __new__(cls, real: Tensor) -> OnCuda:
        return torch.Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls, real.size(), strides=real.stride(), storage_offset=real.storage_offset(), dtype=real.dtype, device="meta",
        )  # fmt: skip

    def __init__(self, real: Tensor) -> None:
        self.held = real

    device = property(lambda self: CUDA)  # type: ignore[assignment]
    is_cuda = property(lambda self: True)  # type: ignore[assignment]
    is_cpu = property(lambda self: False)  # type: ignore[assignment]
    is_meta = property(lambda self: False)  # type: ignore[assignment]

    def numpy(self, *_: Any, **__: Any) -> Any:
        raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first")

    def __array__(self, *_: Any) -> Any:
        return self.numpy()

    def tolist(self) -> Any:
        return self.detach().cpu().tolist()

    def __format__(self, format_spec: str) -> str:
        return format(self.item() if self.dim() == 0 else str(self), format_spec)

    def __repr__(self, **_: Any) -> str:
        return f"OnCuda({self.held})"

    def __deepcopy__(self, memo: Any) -> Any:
        return memo.setdefault(id(self), OnCuda(self.held.detach().clone()).requires_grad_(self.requires_grad))

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.held.__reduce_ex__(protocol)

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


class _Mode(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


class _Calls(TorchFunctionMode):
    """What does not reach the dispatcher: the index of `cuda`, and tensors made of Python's numbers."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        def indexed(x: Any) -> Any:
            is_device = isinstance(x, torch.device) or (isinstance(x, str) and x.startswith("cuda"))
            return CUDA if is_device and torch.device(x).type == "cuda" else x

        args, kwargs = tree_map(indexed, args), tree_map(indexed, kwargs or {})
        of_numbers = func is torch.tensor or (func is torch.as_tensor and not isinstance(args[0], Tensor))
        if of_numbers and kwargs.get("device") == CUDA:
            return func(*args, **kwargs | {"device": "cpu"}).to(CUDA)
        return func(*args, **kwargs)


def _run(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    flat, spec = tree_flatten((args, kwargs))
    tensors = [x for x in flat if isinstance(x, Tensor)]
    devices = {"cuda" if isinstance(x, OnCuda) else "cpu" for x in tensors if x.dim() > 0}
    asked = kwargs.get("device")
    if asked is not None:
        asked = torch.device(asked).type.replace("meta", "cuda")  # PyTorch itself takes these tensors for meta ones
    if len(devices) > 1 and func not in _ACROSS:
        raise RuntimeError(
            f"{func}: Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu!"
        )
    if func is aten.index.Tensor and not isinstance(args[0], OnCuda) and "cuda" in devices:
        raise RuntimeError("indices should be either on cpu or on the same device as the indexed tensor (cpu)")
    on_cuda = any(isinstance(x, OnCuda) for x in tensors) if asked is None else asked == "cuda"
    if not any(isinstance(x, OnCuda) for x in tensors) and asked != "cuda":
        return func(*args, **kwargs)
    generator = kwargs.get("generator")
    if generator is not None and (generator._cdata in _Generator.on_cuda) != on_cuda:
        raise RuntimeError(f"{func}: Expected a '{'cuda' if on_cuda else 'cpu'}' device type for generator")
    real_args, real_kwargs = tree_unflatten([x.held if isinstance(x, OnCuda) else x for x in flat], spec)
    if asked is not None:
        real_kwargs["device"] = "cpu"
    if _waits(func, args, kwargs, on_cuda):
        waits.append(str(func))
    result = func(*real_args, **real_kwargs)
    if func is aten._to_copy.default and result is real_args[0]:
        result = result.clone()
    wrapped = tree_map(lambda x: OnCuda(x) if isinstance(x, Tensor) and on_cuda else x, result)
    return return_and_correct_aliasing(func, args, kwargs, wrapped) if on_cuda and _mutates(func) else wrapped


def _waits(func: Any, args: Any, kwargs: dict[str, Any], on_cuda: bool) -> bool:
    """Whether the host stands still: it asks for a number, a mask selects, or memory that is not pinned crosses over."""
    if func is aten.index.Tensor:
        return any(x is not None and x.dtype in (torch.bool, torch.uint8) for x in args[1])
    if func is aten._to_copy.default:
        return isinstance(args[0], OnCuda) != on_cuda and not kwargs.get("non_blocking")
    if func is aten.copy_.default:
        return isinstance(args[0], OnCuda) != isinstance(args[1], OnCuda) and not any(args[2:])
    return func in _ASKS


def _mutates(func: Any) -> bool:
    return any(a.alias_info is not None and a.alias_info.is_write for a in func._schema.arguments)


class _Generator(torch.Generator):
    """A generator of which is known for which device it was made."""

    on_cuda: set[int] = set()  # addresses: PyTorch makes other Python objects of the same generator

    def __new__(cls, device: Any = "cpu") -> _Generator:
        made = super().__new__(cls)
        (cls.on_cuda.add if torch.device(device).type == "cuda" else cls.on_cuda.discard)(made._cdata)
        return made


@contextlib.contextmanager
def pretend_cuda() -> Iterator[None]:
    """One GPU is there."""
    on_the_gpu = torch.Generator()
    patches = {
        "is_available": lambda: True,
        "device_count": lambda: 1,
        "synchronize": lambda *_: None,
        "get_device_name": lambda *_: "a pretended GPU",
        "get_rng_state": lambda *_: on_the_gpu.get_state(),
        "set_rng_state": lambda state, *_: on_the_gpu.set_state(state),
        "_lazy_init": lambda: None,
    }
    with contextlib.ExitStack() as stack:
        for name, function in patches.items():
            stack.enter_context(mock.patch.object(torch.cuda, name, function))
        stack.enter_context(mock.patch.object(torch, "Generator", _Generator))
        stack.enter_context(_Mode())
        stack.enter_context(_Calls())
        yield
