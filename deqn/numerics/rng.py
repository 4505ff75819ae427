"""Random numbers from one generator, with the keyword names of `tf.random.Generator`."""

from __future__ import annotations

import contextlib
import itertools
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor

# torch.compile cannot trace a generator, so that compiled code reaches it through a number and an opaque operator.
_generators: weakref.WeakValueDictionary[int, torch.Generator] = weakref.WeakValueDictionary()
_serial = itertools.count()


@torch.library.custom_op("deqn::fill_random", mutates_args=("out",))
def _fill_random(out: Tensor, normal: bool, generator: int) -> None:
    if normal:
        out.normal_(generator=_generators[generator])
    else:
        out.uniform_(generator=_generators[generator])


class Followed(Protocol):
    """Generators of another library, whose state is kept and put back with that of an `Rng`."""

    def seed(self, seed: int) -> None:
        """Starts them anew."""

    def get_state(self) -> Tensor:
        """`[bytes]`, uint8, always as many."""

    def set_state(self, state: Tensor) -> None:
        """Puts it back."""


Source = Callable[[tuple[int, ...], bool], Tensor]  # shape, normal or uniform -> standard draws


class Rng:
    """Draws from one `torch.Generator`; its state is part of a checkpoint.

    Args:
        seed: seed of the generator; each process adds its rank.
        device: device of the draws.
        dtype: floating type of the draws.

    Attributes:
        shock_size: what standard deviations of `normal` are multiplied by.

    Example:
        >>> Rng(1).uniform([2], minval=0.1, maxval=1.0).shape
        torch.Size([2])
    """

    def __init__(self, seed: int, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> None:
        self.device = torch.device(device)
        self.dtype = dtype
        self.generator = torch.Generator(device=self.device)
        self.generator.manual_seed(seed)
        self.shock_size = 1.0
        self._source: Source | None = None
        self._key = next(_serial)
        _generators[self._key] = self.generator
        self._branches: list[Rng] = []
        self._followed: list[Followed] = []

    def branch(self, seed: int | None = None) -> Rng:
        """Another generator, whose state is kept and put back with that of this one.

        Args:
            seed: its seed; by default one that follows from this one's first seed and the number of branches.
        """
        own = (self.generator.initial_seed() + (len(self._branches) + 1) * 1_000_003) % 2**62
        self._branches.append(Rng(own if seed is None else seed, self.device, self.dtype))
        return self._branches[-1]

    def follow(self, generators: Followed) -> None:
        """Keeps the state of generators of another library with its own."""
        self._followed.append(generators)

    def _draw(self, shape: Sequence[int], normal: bool) -> Tensor:
        return self.own(shape, normal) if self._source is None else self._source(tuple(shape), normal)

    def own(self, shape: Sequence[int], normal: bool) -> Tensor:
        """Standard normal draws of the generator, or uniform ones on [0, 1)."""
        out = torch.empty(tuple(shape), device=self.device, dtype=self.dtype)
        if torch.compiler.is_compiling():
            _fill_random(out, normal, self._key)
            return out
        return out.normal_(generator=self.generator) if normal else out.uniform_(generator=self.generator)

    @contextlib.contextmanager
    def drawing_from(self, source: Source) -> Iterator[None]:
        """All draws come from a function meanwhile."""
        before, self._source = self._source, source
        try:
            yield
        finally:
            self._source = before

    def normal(self, shape: Sequence[int], mean: float = 0.0, stddev: float = 1.0) -> Tensor:
        """Normal draws of the given shape."""
        if self.shock_size != 1.0:
            stddev = self.shock_size * stddev
        return mean + stddev * self._draw(shape, normal=True)

    def uniform(self, shape: Sequence[int], minval: float = 0.0, maxval: float = 1.0) -> Tensor:
        """Uniform draws on [minval, maxval) of the given shape."""
        return minval + (maxval - minval) * self._draw(shape, normal=False)

    def truncated_normal(self, shape: Sequence[int], mean: float = 0.0, stddev: float = 1.0) -> Tensor:
        """Normal draws cut at two standard deviations, as TensorFlow defines them (by inversion of the distribution function)."""
        edge = torch.special.ndtr(torch.tensor(2.0, dtype=torch.float64))
        uniform = self.uniform(shape, minval=float(1 - edge), maxval=float(edge))
        return mean + stddev * torch.special.ndtri(uniform).clamp(-2.0, 2.0)

    def constant(self, shape: Sequence[int], value: float | Tensor) -> Tensor:
        """No draw: `value` in every place (a number, or an array that broadcasts to `shape`)."""
        return torch.as_tensor(value, dtype=self.dtype, device=self.device).expand(tuple(shape)).clone()

    def choice(self, shape: Sequence[int], values: Tensor, probs: Tensor | None = None) -> Tensor:
        """Draws from a list of values `[n]` with probabilities `[n]` (equal ones by default)."""
        values = torch.as_tensor(values, dtype=self.dtype, device=self.device)
        probs = (
            torch.ones_like(values) if probs is None else torch.as_tensor(probs, dtype=self.dtype, device=self.device)
        )
        return values[self.categorical(probs.expand(*shape, len(values)))]

    def categorical(self, probabilities: Tensor) -> Tensor:
        """Indices drawn with the given probabilities: `[*batch, n]` -> `[*batch]`, int64 (by inversion)."""
        cumulative = probabilities.cumsum(-1)
        uniform = self.uniform((*probabilities.shape[:-1], 1)) * cumulative[..., -1:]
        return (uniform >= cumulative).sum(-1).clamp(max=probabilities.shape[-1] - 1)

    def permutation(self, n: int) -> Tensor:
        """A random order of 0 .. n-1: `[n]`, int64."""
        return torch.randperm(n, generator=self.generator, device=self.device)

    def integer(self) -> int:
        """An integer from 0 to 2**62 - 1: the seed of another generator."""
        return int(torch.randint(2**62, (), generator=self.generator, device=self.device))

    def seed(self, seed: int) -> None:
        """Starts it, its branches and what it follows anew."""
        for i, rng in enumerate((self, *self._branches)):
            rng.generator.manual_seed(seed + i)
        for followed in self._followed:
            followed.seed(seed)

    def get_state(self) -> Tensor:
        """Its state and those of its branches and of what it follows, one after the other: `[bytes]`, uint8."""
        states = [rng.generator.get_state() for rng in (self, *self._branches)]
        states += [followed.get_state() for followed in self._followed]
        return torch.cat(states) if len(states) > 1 else states[0]

    def set_state(self, state: Tensor) -> None:
        """Puts it back; its branches and what it follows where the state has as many."""
        kept: list[torch.Generator | Followed] = [*(rng.generator for rng in (self, *self._branches)), *self._followed]
        sizes = [len(generator.get_state()) for generator in kept]
        parts = state.split(sizes) if sum(sizes) == len(state) else [state[: sizes[0]]]
        for generator, part in zip(kept, parts, strict=False):
            generator.set_state(part.clone())
