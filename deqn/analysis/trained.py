"""A model with its network: simulated and measured."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from deqn.analysis.accuracy import accuracy, accuracy_by_entry
from deqn.analysis.sample import Sample, sample
from deqn.economy.known_answer import known_answer
from deqn.economy.model import Model
from deqn.training import simulate

if TYPE_CHECKING:
    import pandas as pd

_CHUNK = 1_000_000  # entries of states evaluated at once


class Trained:
    """A trained model with what one asks of it.

    Args:
        model: the model with its trained network.
        path: the run folder.
        starting_state: states where training ended, `[batch, n_states]`.
        episode: episodes trained.

    Attributes:
        output: where post-processing writes figures and tables.
        notes: what a reader must know first.
    """

    def __init__(self, model: Model, path: Path, starting_state: Tensor | None = None, episode: int = 0) -> None:
        self.model = model
        self.config = model.config
        self.path = path
        self.output = path
        self.episode = episode
        self.starting_state = model.Parameters.starting_state if starting_state is None else starting_state
        self.notes: list[str] = []
        self._cloud: Tensor | None = None
        model.network.eval()
        model.set_run(starting_state=self.starting_state, LOG_DIR=str(path))

    # -- states ---------------------------------------------------------------------------------------------------

    @property
    def sample(self) -> Sample:
        """How many states `simulate()` and `cloud()` give, and what they are."""
        return sample(self.model)

    def simulate(self, batch: int | None = None, length: int | None = None) -> Tensor:
        """Simulated states `[length, batch, n_states]`, of consecutive periods where the length is given.

        Trajectories start where training ended, or from newly drawn states where each episode of the training does. Without
        a length, the periods are those of `sample`: not all of them are kept.
        """
        size = sample(self.model, batch, length)
        with self.model.context(), torch.no_grad():
            if size.redrawn:
                start = self.model.initial_states(size.batch)
            else:
                start = self.starting_state[
                    torch.arange(size.batch, device=self.model.device) % len(self.starting_state)
                ]
            return simulate.episode(partial(self._steps, size.every), start, size.length)[0]

    def _steps(self, periods: int, states: Tensor) -> Tensor:
        for _ in range(periods):
            states = self.model.step(states)
        return states

    def cloud(self) -> Tensor:
        """The states of `simulate()` in one list, simulated once: `[n, n_states]`."""
        if self._cloud is None:
            self._cloud = self.simulate().flatten(0, 1)
        return self._cloud

    def wider_box(self, states: Tensor) -> Tensor:
        """States around a cloud `[n, n_states]`: same number, each number uniform on its range widened by a quarter on
        either side (within its bounds, and without changing its sign); a variable with a shape and a state that takes only
        certain values (`Model.is_discrete`) keep those of the cloud. A model's PostProcess.py may define
        `wider_box(run, states)` of its own."""
        own = self.from_post_process("wider_box")
        with self.model.context(), torch.no_grad():
            if own is not None:
                return own(self, states)
            box = states[self.model.rng.permutation(len(states))].clone()
            for column in self.model.state_columns:
                values = column.raw(states)
                if column.shape or self.model.is_discrete(column, values):
                    continue
                low, high = float(values.min()), float(values.max())
                margin = 0.25 * (high - low)
                lowest, highest = low - margin, high + margin
                if low > 0:  # capital that is always positive stays so
                    lowest = max(lowest, 0.5 * low)
                if high < 0:
                    highest = min(highest, 0.5 * high)
                draws = self.model.rng.uniform([len(states)], lowest, highest)
                box[:, column.start] = column.bound.apply(draws)
            return box

    # -- what the policy does there -------------------------------------------------------------------------------

    def policies(self, states: Tensor) -> Tensor:
        """Policies `[n, n_policies]` at states `[n, n_states]`."""
        with self.model.context(), torch.no_grad():
            return torch.cat([self.model.policy(part) for part in self._chunks(states)])

    def residuals(self, states: Tensor) -> dict[str, Tensor]:
        """Euler discrepancies at states `[n, n_states]`: by equation, `[n, ...]`."""
        parts: list[Mapping[str, Tensor]] = []
        with self.model.context(), torch.no_grad():
            for part in self._chunks(states):
                parts.append(self.model.equations(part, self.model.policy(part)))
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    def unit_free(self, states: Tensor) -> dict[str, Tensor]:
        """Residuals without a unit at states `[n, n_states]`, as `unit_free(state, policy_state)` of Equations.py gives them.

        By equation `[n, ...]`; empty where the model has no such function.
        """
        own = getattr(self.model.linker.link("Equations"), "unit_free", None)
        if own is None:
            return {}
        parts: list[Mapping[str, Tensor]] = []
        with self.model.context(), torch.no_grad():
            for part in self._chunks(states):
                try:
                    parts.append({name: torch.as_tensor(x) for name, x in own(part, self.model.policy(part)).items()})
                except Exception as error:
                    raise self.model.failed("unit_free(state, policy_state)", error) from error
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    def definitions(self, states: Tensor) -> dict[str, Tensor]:
        """Definitions at states `[n, n_states]`: by name, `[n, ...]`."""
        parts: dict[str, list[Tensor]] = {name: [] for name in self.model.definition_bounds}
        with self.model.context(), torch.no_grad():
            for part in self._chunks(states):
                policies = self.model.policy(part)
                for name, values in parts.items():
                    value = torch.as_tensor(getattr(self.model.Definitions, name)(part, policies))
                    values.append(value.expand(len(part)) if value.ndim == 0 else value)
        return {name: torch.cat(values) for name, values in parts.items()}

    def accuracy(self, states: Tensor) -> pd.DataFrame:
        """Absolute Euler discrepancies at states `[n, n_states]`: a row an equation, and one for all of them.

        An equation with a shape has also a row for its entry with the largest mean and, where a state of the same shape is a
        histogram, one for residuals weighted by its mass.

        Columns: mean, p50, p95, p99, max of |residual|; `log10 mean` is the mean of log10 |residual|, `log10 p50` and so on
        are the logarithms of the columns before. Residuals that are not finite are left out and counted in the row's name.
        """
        return accuracy(self.model, states, self.residuals(states))

    def accuracy_by_entry(self, states: Tensor) -> pd.DataFrame:
        """The same columns with a row for each entry of each equation."""
        return accuracy_by_entry(self.residuals(states))

    def frames(self, states: Tensor) -> dict[str, pd.DataFrame]:
        """Tables of a simulation, by file name: a column for each entry of each variable, a row for each state.

        Args:
            states: `[*batch, n_states]`; rows of `[time, batch, n_states]` go through the batch first, then through time.
        """
        flat = states.reshape(-1, states.shape[-1])
        policies = self.policies(flat)
        model = self.model
        return {
            "simulated_states": _frame({c.name: getattr(model.State, c.name)(flat) for c in model.state_columns}),
            "simulated_policies": _frame(
                {c.name: getattr(model.PolicyState, c.name)(policies) for c in model.policy_columns}
            ),
            "simulated_definitions": _frame(self.definitions(flat)),
            "simulated_euler_discrepancies": _frame(self.residuals(flat)),
        }

    def losses(self) -> pd.DataFrame:
        """Mean square of the residuals by epoch, with penalties (`loss`) and without (`net_loss`); no rows without a record."""
        import pandas as pd

        file = self.path / self.config.error_filename
        lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
        rows = [line.split() for line in lines if line.startswith("MSE:")]
        values = [(float(row[1]), float(row[5])) for row in rows]
        return pd.DataFrame(values, columns=["loss", "net_loss"], index=pd.RangeIndex(1, len(rows) + 1, name="epoch"))

    def policy_errors(self, states: Tensor) -> dict[str, Tensor]:
        """|network - known answer| at states `[n, n_states]`: by policy or definition `[n, ...]`; empty where none is known."""
        return self._policy_errors(states)[1]

    def _policy_errors(self, states: Tensor) -> tuple[str, dict[str, Tensor]]:
        kind, known = known_answer(self.model, states)
        if not known:
            return kind, {}
        values = self.policies(states)
        found = {column.name: column.bounded(values) for column in self.model.policy_columns}
        if not known.keys() <= found.keys():
            found = self.definitions(states) | found
        return kind, {name: (found[name] - value).abs() for name, value in known.items()}

    def policy_error_table(self) -> dict[str, dict[str, dict[str, float]]]:
        """The distance to the known answer on the simulated states: `{"closed form" | "reference": {name: mean and max}}`."""
        kind, errors = self._policy_errors(self.cloud())
        table = {name: {"mean": float(error.mean()), "max": float(error.max())} for name, error in errors.items()}
        return {kind: table} if table else {}

    def policy_error_lines(self, table: Mapping[str, Mapping[str, Mapping[str, float]]] | None = None) -> list[str]:
        """`policy_error_table` in words, a line a variable."""
        where = f"{len(self.cloud()):,} states ({self.sample.name})"
        exact = {"closed form": "exact"}
        return [
            f"{kind} on {where}: |{name} - {exact.get(kind, kind)}| mean {error['mean']:.1e}, max {error['max']:.1e}"
            for kind, errors in (self.policy_error_table() if table is None else table).items()
            for name, error in errors.items()
        ]

    def closing_lines(self, table: Mapping[str, Mapping[str, Mapping[str, float]]] | None = None) -> list[str]:
        """The distance to a known answer, and `closing_lines(run) -> list of lines` of the model's Hooks.py.

        Args:
            table: `policy_error_table()`, where it is known.
        """
        own = self.model.closing_lines
        with self.model.context(), torch.no_grad():
            return [*self.policy_error_lines(table), *([] if own is None else own(self))]

    def post_process(self) -> None:
        """The model's own PostProcess.py, where there is one."""
        own = self.from_post_process("post_process")
        if own is not None:
            with self.model.context(), torch.no_grad():
                own(self)

    def from_post_process(self, name: str) -> Any:
        """A function of the model's own PostProcess.py; None where there is none."""
        linker = self.model.linker
        return getattr(linker.link("PostProcess"), name, None) if linker.has("PostProcess") else None

    def _chunks(self, states: Tensor) -> tuple[Tensor, ...]:
        nodes = max(self.model.config.run.expectation_pseudo_draws, 8)
        return states.split(max(_CHUNK // (nodes * (self.model.n_states + self.model.n_policies)), 1))


def _frame(columns: Mapping[str, Tensor]) -> pd.DataFrame:
    """A table with one column an entry: 'K', or 'mass[0,17]' for a variable with a shape."""
    import pandas as pd

    parts = []
    for name, values in columns.items():
        values = values.detach().cpu()
        labels = [name]
        if values.ndim > 1:
            shape = tuple(values.shape[1:])
            indices = torch.cartesian_prod(*(torch.arange(n) for n in shape)).reshape(-1, len(shape))
            labels = [f"{name}[{','.join(map(str, index))}]" for index in indices.tolist()]
        parts.append(pd.DataFrame(values.reshape(len(values), -1).numpy(), columns=labels))
    return pd.concat(parts, axis=1) if parts else pd.DataFrame()
