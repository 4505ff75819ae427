"""The states in which an economy begins, from the distributions of the YAML file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from deqn.configuration.distributions import distribution
from deqn.configuration.schema import Run, StateVariable
from deqn.economy.columns import Column
from deqn.economy.files import describe
from deqn.economy.pseudo_states import draw_pseudo_states
from deqn.errors import ConfigError, suggestion
from deqn.numerics.rng import Rng


@dataclass
class Init:
    """`init` of one state.

    Attributes:
        method: of Rng.
        kwargs: its arguments; names of constants until `InitialStates.resolve`.
        where: it stands in the configuration.
    """

    method: Callable[..., Tensor]
    kwargs: dict[str, Any]
    where: str

    def draw(self, rng: Rng, n: int, column: Column) -> Tensor:
        """`[n, entries of the column]`."""
        return self.method(rng, (n, *column.shape), **self.kwargs).reshape(n, -1)


class InitialStates:
    """Draws initial states.

    Args:
        variables: the states, in the order of `columns`.
        rng: the generator that they are drawn from, which knows device and type.

    Raises:
        ConfigError: for an unknown distribution or argument.
    """

    def __init__(self, variables: Sequence[StateVariable], columns: Sequence[Column], run: Run, rng: Rng) -> None:
        self._columns, self._run, self._rng = list(columns), run, rng
        self.pseudo_columns = [c for c, variable in zip(columns, variables, strict=True) if variable.pseudo_state]
        self._inits: list[Init | None] = []
        for i, variable in enumerate(variables):
            init, where = variable.init, f"variables.states[{i}] {variable.name!r}.init"
            self._inits.append(
                None
                if init is None
                else Init(distribution(init.distribution, init.kwargs, where), dict(init.kwargs), where)
            )

    def resolve(self, constants: Mapping[str, Any]) -> None:
        """Puts the values of constants in the place of their names, and tries each distribution.

        Raises:
            ConfigError: where there is no such constant, or the arguments do not fit the state's shape.
        """
        for column, init in zip(self._columns, self._inits, strict=True):
            if init is None:
                continue
            given = dict(init.kwargs)
            for key, value in given.items():
                if isinstance(value, str):
                    if value not in constants:
                        raise ConfigError(
                            f"{init.where}.kwargs.{key}: there is no constant {value!r}.{suggestion(value, list(constants))}"
                        )
                    value = constants[value]
                init.kwargs[key] = torch.tensor(value) if isinstance(value, list) else value
            try:
                for n in (2, 3):  # arguments that fit a number of states by chance do not fit another
                    init.method(Rng(0, self._rng.device, self._rng.dtype), (n, *column.shape), **init.kwargs)
            except (RuntimeError, TypeError, ValueError) as error:
                raise ConfigError(
                    f"{init.where}.kwargs = {given} do not fit a state of shape {(*column.shape,)}: {describe(error)}"
                ) from error

    def draw(self, n: int) -> Tensor:
        """`[n, n_states]`; 1 where the YAML file has no distribution."""
        states = torch.ones(n, self._columns[-1].stop, device=self._rng.device, dtype=self._rng.dtype)
        for column, init in zip(self._columns, self._inits, strict=True):
            if init is not None:
                states[:, column.start : column.stop] = init.draw(self._rng, n, column)
        together = self._run.pseudo_design != "independent" or self._run.pseudo_edge_share > 0
        return self.with_new_pseudo_states(states) if together else states

    def with_new_pseudo_states(self, states: Tensor) -> Tensor:
        """`[n, n_states]` with pseudo-states drawn anew."""
        drawn = [(column, self._init_of(column)) for column in self.pseudo_columns]
        draws = [(column, init.draw) for column, init in drawn if init is not None]
        return draw_pseudo_states(states, draws, self._run, self._rng)

    def choices(self, column: Column) -> Any:
        """The values that a state's `choice` lists; None where it has none."""
        init = self._init_of(column)
        return None if init is None else init.kwargs.get("values")

    def _init_of(self, column: Column) -> Init | None:
        return self._inits[self._columns.index(column)]
