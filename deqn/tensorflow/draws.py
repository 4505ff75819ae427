"""`tf.random`: draws from generators that hang on that of the run, so that a checkpoint brings them all back.

The numbers are others than TensorFlow's; their distributions are the same. Source of the names: TensorFlow 2 API, tensorflow.org.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from deqn.numerics.rng import Rng
from deqn.tensorflow.tensors import as_type, convert, integers


def _kind(dtype: Any) -> torch.dtype:
    return torch.get_default_dtype() if dtype is None else as_type(dtype)


class Generator:
    """`tf.random.Generator`, and behind it the functions of `tf.random`.

    Args:
        rng: where the numbers come from.
    """

    def __init__(self, rng: Rng) -> None:
        self.rng = rng

    def normal(
        self, shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = None, seed: Any = None, name: str | None = None
    ) -> Tensor:  # fmt: skip
        return _plus(mean, stddev, self.rng.normal(integers(shape))).to(_kind(dtype))

    def truncated_normal(
        self, shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = None, seed: Any = None, name: str | None = None
    ) -> Tensor:  # fmt: skip
        return _plus(mean, stddev, self.rng.truncated_normal(integers(shape))).to(_kind(dtype))

    def uniform(
        self, shape: Any, minval: Any = 0, maxval: Any = None, dtype: Any = None, seed: Any = None, name: str | None = None
    ) -> Tensor:  # fmt: skip
        """Numbers on [minval, maxval), whole ones where `dtype` is a type of integers."""
        kind = _kind(dtype)
        if maxval is None:
            if not kind.is_floating_point:
                raise ValueError("tf.random.uniform: integers need a maxval.")
            maxval = 1
        drawn = self.rng.uniform(integers(shape))
        if kind.is_floating_point:
            return _plus(minval, convert(maxval) - convert(minval), drawn).to(kind)
        low, high = convert(minval), convert(maxval)
        whole = low + torch.floor(drawn.double() * (high - low)).to(torch.int64)
        return torch.minimum(whole, high.long() - 1).to(kind)

    def categorical(
        self, logits: Any, num_samples: Any = None, dtype: Any = None, seed: Any = None, name: str | None = None
    ) -> Tensor:  # fmt: skip
        """Classes drawn with probabilities proportional to exp(logits): `[batch, classes]` -> `[batch, num_samples]`.

        With one argument it is that of `Rng`, as a file calls it that has been rewritten beside others that have not.
        """
        if num_samples is None:
            return self.rng.categorical(convert(logits))
        cumulative = torch.softmax(convert(logits), -1).cumsum(-1)
        drawn = self.rng.uniform((cumulative.shape[0], integers(num_samples)[0])).to(cumulative.dtype)
        classes = torch.searchsorted(cumulative, drawn * cumulative[:, -1:], right=True)
        last = cumulative.shape[-1] - 1
        return classes.clamp(max=last).to(torch.int64 if dtype is None else as_type(dtype))

    def shuffle(self, value: Any, seed: Any = None, name: str | None = None) -> Tensor:
        """The rows in another order."""
        x = convert(value)
        return x[self.rng.permutation(x.shape[0])]

    def exponential(self, shape: Any, rate: Any = 1.0, dtype: Any = None) -> Tensor:
        return (-torch.log1p(-self.rng.uniform(integers(shape))) / convert(rate)).to(_kind(dtype))

    def reset_from_seed(self, seed: Any) -> None:
        self.rng.generator.manual_seed(int(seed))

    set_seed = reset_from_seed


def _plus(mean: Any, scale: Any, drawn: Tensor) -> Tensor:
    return convert(mean) + convert(scale) * drawn


def random(rng: Rng, linking: Callable[[], bool]) -> dict[str, Any]:
    """The names of `tf.random`.

    Args:
        rng: of the run.
        linking: whether the model is being linked: generators made then belong to the run. Later ones would change what a
            checkpoint holds.
    """
    common = Generator(rng.branch() if linking() else rng)

    def from_seed(seed: Any = 0, alg: Any = None) -> Generator:
        number = integers(seed)[-1]
        return Generator(rng.branch(number) if linking() else Rng(number, rng.device, rng.dtype))

    class Made(Generator):
        """What a model file finds as `tf.random.Generator`."""

        from_state = staticmethod(lambda state, alg=None: from_seed(state))
        from_non_deterministic_state = staticmethod(lambda alg=None: Generator(rng.branch()) if linking() else common)

    Made.from_seed = staticmethod(from_seed)  # type: ignore[attr-defined]
    Made.__name__ = Made.__qualname__ = "Generator"
    names = ("normal", "truncated_normal", "uniform", "categorical", "shuffle", "set_seed")
    return {name: getattr(common, name) for name in names} | {
        "Generator": Made, "get_global_generator": lambda: common,
    }  # fmt: skip
