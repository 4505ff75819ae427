"""Hard bounds of variables, and the penalties for crossing them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from deqn.configuration.schema import PolicyVariable, StateVariable, Variable, Variables
from deqn.economy.named_values import named_value
from deqn.errors import ConfigError, count
from deqn.numerics.once import known_range

SIDES = ("lower", "upper")


@dataclass(frozen=True)
class Bound:
    """Hard bounds of one variable and the weights of the penalty for crossing them.

    Attributes:
        lower, upper: a number for all entries; or one for each, `[*shape]`, and then on both sides that have a bound.
        penalty_lower, penalty_upper: the same kinds.
    """

    lower: float | Tensor | None = None
    upper: float | Tensor | None = None
    penalty_lower: float | Tensor = 0.0
    penalty_upper: float | Tensor = 0.0

    @property
    def cuts(self) -> bool:
        """Whether there is a bound on any side."""
        return self.lower is not None or self.upper is not None

    @property
    def penalised(self) -> list[str]:
        """The sides whose bound has a weight in the loss."""
        return [side for side in SIDES if getattr(self, side) is not None and _counts(getattr(self, f"penalty_{side}"))]

    @property
    def flat(self) -> Bound:
        """The same bounds for a variable as it is stored, `[*batch, entries]`."""
        return replace(self, **{k: v.flatten() for k, v in vars(self).items() if isinstance(v, Tensor)})

    def apply(self, x: Tensor) -> Tensor:
        """`x` cut to [lower, upper]; same shape."""
        if not self.cuts:
            return x
        if x.requires_grad and not any(self.is_crossed(side, x) for side in SIDES):
            return x.clone()  # the derivative of `clamp` takes five operations
        return x.clamp(self.lower, self.upper)  # type: ignore[arg-type]

    def holds(self, x: Tensor) -> bool:
        """Whether no number lies outside, in the precision of the bounds."""
        kind = next((bound for bound in (self.lower, self.upper) if isinstance(bound, Tensor)), x)
        x = x.to(kind)
        return bool((self.apply(x) == x).all())

    def is_crossed(self, side: str, x: Tensor) -> bool:
        """Whether a number lies beyond the bound of a side; True where that is not known without waiting."""
        bound = getattr(self, side)
        if bound is None or isinstance(bound, Tensor):
            return bound is not None
        lowest, highest = known_range(x)
        return not (lowest >= bound if side == "lower" else highest <= bound)

    def excess(self, side: str, x: Tensor) -> Tensor:
        """How far numbers lie beyond the bound of a side, zero within; same shape."""
        beyond = self.lower - x if side == "lower" else x - self.upper  # type: ignore[operator]
        return beyond.clamp(min=0)


NO_BOUND = Bound()


def _counts(penalty: float | Tensor) -> bool:
    return isinstance(penalty, Tensor) or bool(penalty)


def all_bounds(variables: Variables, constants: Mapping[str, Any], like: Tensor) -> tuple[list[Bound], ...]:
    """Those of states, policies and definitions; see `bound_of`.

    Raises:
        ConfigError: with every problem found.
    """
    problems: list[str] = []
    found: list[list[Bound]] = []
    for kind in ("states", "policies", "definitions"):
        found.append([])
        for i, variable in enumerate(getattr(variables, kind)):
            try:
                found[-1].append(bound_of(variable, constants, f"variables.{kind}[{i}] {variable.name!r}", like))
            except ConfigError as error:
                problems.append(str(error))
    if problems:
        raise ConfigError(f"{count(len(problems), 'problem')} in bounds", problems)
    return tuple(found)


def bound_of(
    variable: Variable, constants: Mapping[str, Any], where: str = "", like: Tensor | None = None
) -> Bound:  # fmt: skip
    """The bounds of a variable with the default penalties filled in.

    A policy that its activation keeps between both bounds crosses none, so that a bound of zero needs no penalty.

    Args:
        constants: by name, those of Calibration.py too.
        where: the variable stands in the configuration.
        like: type and device of the model's numbers.

    Raises:
        ConfigError: where a bound is no constant or does not fit the variable's shape, the lower is not below the upper one, or
            a default penalty is infinite.
    """
    given = variable.bounds
    values = {side: _value(getattr(given, side), variable, constants, f"{where}.bounds.{side}") for side in SIDES}
    lower, upper = values["lower"], values["upper"]
    if lower is not None and upper is not None and bool((_tensor(lower) >= _tensor(upper)).any()):
        raise ConfigError(
            f"{where}: bounds.lower = {_written(given.lower, lower)} is not below bounds.upper = {_written(given.upper, upper)}. "
            "Swap or change them."
        )
    by_activation = isinstance(variable, PolicyVariable) and variable.activation == "implied"
    penalties = {side: _penalty(values[side], getattr(given, f"penalty_{side}")) for side in SIDES}
    for side, penalty in penalties.items():
        if not bool(_tensor(penalty).isinf().any()):
            continue
        if not by_activation and not isinstance(variable, StateVariable):
            raise ConfigError(
                f"{where}: bounds.{side} = {_written(getattr(given, side), values[side])}, so the default penalty 1/bound**2 is "
                f"infinite. Set bounds.penalty_{side}."
            )
        penalties[side] = 0.0
    if any(isinstance(value, Tensor) for value in values.values()):
        values = {side: None if v is None else _spread(v, variable.shape, like) for side, v in values.items()}
        penalties = {side: p.to(like) if isinstance(p, Tensor) else p for side, p in penalties.items()}
    return Bound(values["lower"], values["upper"], penalties["lower"], penalties["upper"])


def _value(
    given: Any, variable: Variable, constants: Mapping[str, Any], where: str
) -> float | Tensor | None:  # fmt: skip
    """A number; or, where entries differ, one for each in float64: `[*shape]`."""
    if given is None or isinstance(given, float | int):
        return given
    tensor = named_value(given, variable.shape, constants, where)
    first = float(tensor.flatten()[0])
    return first if bool((tensor == first).all()) else tensor


def _penalty(bound: float | Tensor | None, penalty: float | None) -> float | Tensor:
    if bound is None:
        return 0.0
    if penalty is not None:
        return penalty
    if isinstance(bound, Tensor):
        return (1.0 / bound) * (1.0 / bound)
    return (1.0 / bound) * (1.0 / bound) if bound else math.inf  # a power of a large number would overflow


def _spread(value: float | Tensor, shape: list[int], like: Tensor | None) -> Tensor:
    tensor = _tensor(value).expand(*shape).clone()
    return tensor if like is None else tensor.to(like)


def _tensor(value: float | Tensor) -> Tensor:
    """In float64 and on the CPU, whatever the model's numbers are."""
    return torch.as_tensor(value, dtype=torch.float64, device="cpu")


def shown(bound: float | Tensor) -> str:
    """'0.5', or '[0.5, 0.7]' where entries have bounds of their own."""
    if not isinstance(bound, Tensor):
        return f"{bound:g}"
    entries = [f"{value:g}" for value in bound.flatten().tolist()]
    return f"[{', '.join(entries if len(entries) <= 4 else [*entries[:2], '...', entries[-1]])}]"


def _written(given: Any, value: float | Tensor | None) -> str:
    """A bound as it stands in the file; of a name, also what it is."""
    if isinstance(given, float | int) or value is None:
        return str(given)
    return f"{given} ({shown(value)})" if isinstance(given, str) else shown(value)
