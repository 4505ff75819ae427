"""What TensorFlow has around a computation: functions, branches, loops, prints, assertions, settings of the machine."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from deqn.tensorflow.tensors import convert


def function(func: Callable[..., Any] | None = None, **_: Any) -> Any:
    """`tf.function`: the function itself (`run.compile` compiles the whole step)."""
    return func if func is not None else lambda inner: inner


def cond(pred: Any, true_fn: Callable[[], Any], false_fn: Callable[[], Any], name: str | None = None) -> Any:
    """The value of one of two functions, as one condition for all states says."""
    return true_fn() if bool(pred) else false_fn()


def case(
    pred_fn_pairs: Any, default: Callable[[], Any] | None = None, exclusive: bool = False, name: str | None = None
) -> Any:
    pairs = pred_fn_pairs.items() if isinstance(pred_fn_pairs, dict) else pred_fn_pairs
    for pred, branch in pairs:
        if bool(pred):
            return branch()
    if default is None:
        raise ValueError("tf.case: no condition holds, and there is no default.")
    return default()


def switch_case(
    branch_index: Any, branch_fns: Any, default: Callable[[], Any] | None = None, name: str | None = None
) -> Any:
    branches = dict(enumerate(branch_fns)) if not isinstance(branch_fns, dict) else branch_fns
    last = branches[max(branches)] if default is None else default
    return branches.get(int(branch_index), last)()


def while_loop(
    cond: Callable[..., Any], body: Callable[..., Any], loop_vars: Any, maximum_iterations: Any = None, **_: Any
) -> Any:
    values, n = list(loop_vars), 0
    while bool(cond(*values)) and (maximum_iterations is None or n < int(maximum_iterations)):
        result = body(*values)
        values, n = list(result) if isinstance(result, list | tuple) else [result], n + 1
    return type(loop_vars)(values) if isinstance(loop_vars, list | tuple) else values


def map_fn(fn: Callable[..., Any], elems: Any, *_: Any, **__: Any) -> Any:
    """The function of each entry along the first dimension, stacked."""
    several = isinstance(elems, list | tuple)
    parts = zip(*(convert(entry) for entry in elems), strict=True) if several else convert(elems)
    results = [fn(part) for part in parts]
    if isinstance(results[0], list | tuple):
        return type(results[0])(torch.stack([convert(x) for x in column]) for column in zip(*results, strict=True))
    return torch.stack([convert(result) for result in results])


def print_(*inputs: Any, output_stream: Any = None, sep: str = " ", end: str = "\n", **_: Any) -> None:
    """`tf.print`: tensors as arrays of numbers."""
    shown = (x.detach().cpu().numpy() if isinstance(x, Tensor) else x for x in inputs)
    print(*shown, sep=sep, end=end, file=sys.stdout if output_stream in (None, sys.stdout) else sys.stderr)


def group(*_: Any, **__: Any) -> None:
    """Nothing is left to be done: everything is computed where it stands."""


def _fails(holds: Any, message: str | None, what: str) -> None:
    if not bool(convert(holds).all()):
        raise AssertionError(message or what)


def _compare(what: str, relation: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., None]:
    def check(x: Any, y: Any, message: str | None = None, summarize: Any = None, name: str | None = None) -> None:
        _fails(relation(convert(x), convert(y)), message, f"tf.debugging.{what} does not hold.")

    return check


def check_numerics(tensor: Any, message: str = "", name: str | None = None) -> Tensor:
    x = convert(tensor)
    _fails(torch.isfinite(x), None, message or "tf.debugging.check_numerics: not finite.")
    return x


ASSERTIONS: dict[str, Callable[..., Any]] = {
    "assert_equal": _compare("assert_equal", torch.eq), "assert_less": _compare("assert_less", torch.lt),
    "assert_less_equal": _compare("assert_less_equal", torch.le), "assert_greater": _compare("assert_greater", torch.gt),
    "assert_greater_equal": _compare("assert_greater_equal", torch.ge),
    "assert_near": _compare("assert_near", lambda x, y: torch.isclose(x, y.to(x.dtype), rtol=1e-5, atol=1e-6)),
    "assert_non_negative": lambda x, message=None, **_: _fails(convert(x) >= 0, message, "an entry is negative."),
    "assert_positive": lambda x, message=None, **_: _fails(convert(x) > 0, message, "an entry is not positive."),
    "Assert": lambda condition, data=None, **_: _fails(condition, str(data), "tf.debugging.Assert"),
}  # fmt: skip


def _nothing(*_: Any, **__: Any) -> None:
    """Settings of TensorFlow and of its machine: here they stand in the configuration of the run."""


def _none_of_them(*_: Any, **__: Any) -> Sequence[Any]:
    return []


CONTROL: dict[str, Any] = {
    "function": function, "cond": cond, "case": case, "switch_case": switch_case, "while_loop": while_loop,
    "map_fn": map_fn, "vectorized_map": map_fn, "print": print_, "group": group, "no_op": group,
    "timestamp": lambda name=None: torch.tensor(time.time(), dtype=torch.float64),
    "get_logger": lambda: logging.getLogger("tensorflow"), "executing_eagerly": lambda: True,
    "is_tensor": lambda x: isinstance(x, Tensor), "get_static_value": lambda x, partial=False: x.numpy(),
    "name_scope": lambda name: contextlib.nullcontext(), "device": lambda name: contextlib.nullcontext(),
    "control_dependencies": lambda inputs: contextlib.nullcontext(), "no_gradient": _nothing,
    "py_function": lambda func, inp, Tout, name=None: func(*inp),
    "numpy_function": lambda func, inp, Tout, **_: convert(func(*(convert(x).detach().cpu().numpy() for x in inp)), Tout),
    "autograph.experimental.do_not_convert": function, "autograph.set_verbosity": _nothing,
    "config.run_functions_eagerly": _nothing, "config.experimental_run_functions_eagerly": _nothing,
    "config.list_physical_devices": _none_of_them, "config.get_visible_devices": _none_of_them,
    "config.list_logical_devices": _none_of_them, "config.experimental.set_visible_devices": _nothing,
    "keras.backend.set_learning_phase": _nothing,
    "config.experimental.list_physical_devices": _none_of_them, "config.set_visible_devices": _nothing,
    "config.experimental.set_memory_growth": _nothing, "config.optimizer.set_jit": _nothing,
    "config.threading.set_inter_op_parallelism_threads": _nothing,
    "config.threading.set_intra_op_parallelism_threads": _nothing,
    "config.experimental.enable_op_determinism": _nothing, "test.is_gpu_available": lambda *_, **__: False,
    "compat.v1.logging.set_verbosity": _nothing, "compat.v1.logging.ERROR": 40, "compat.v1.logging.INFO": 20,
    "compat.v1.logging.WARN": 30, "compat.v1.logging.FATAL": 50, "compat.v1.disable_eager_execution": _nothing,
    "compat.v1.enable_eager_execution": _nothing, "debugging.enable_check_numerics": _nothing,
    "debugging.disable_check_numerics": _nothing, "debugging.check_numerics": check_numerics,
    "errors.InvalidArgumentError": ValueError,
}  # fmt: skip
