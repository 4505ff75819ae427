"""What the trained economy does, for post-processing: moments, impulse responses, where it rests, what can be foreseen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pandas as pd

from deqn.analysis import figures
from deqn.analysis import impulse_responses as responses
from deqn.analysis.den_haan_marcet import den_haan_marcet
from deqn.analysis.drift import policy_drift
from deqn.analysis.moments import moments
from deqn.analysis.nodes import accuracy_with_other_nodes
from deqn.analysis.rest import NoRest, stochastic_steady_state

if TYPE_CHECKING:
    from deqn.analysis.run import Run

LARGEST = 2_000  # entries of a state: beyond, a distribution has tests of its own
_SHOCKS = 4  # whose responses are drawn


def post_process(run: Run) -> Iterator[str]:
    """Writes tables and figures into `run.output`, and says in a line each what they are of."""
    model = run.model
    drift = policy_drift(run)
    if len(drift):
        drift.to_csv(run.output / "policy_drift.csv")
        last = drift.iloc[-1]
        yield f"policies between the last two checkpoints: {last.idxmax()} changed most, by {100 * last.max():.2g} % on average"
    if model.n_states > LARGEST:
        return
    described, table = accuracy_with_other_nodes(run, run.cloud())
    table.to_csv(run.output / "euler_discrepancies_other_nodes.csv")
    yield f"with {described}, mean |residual| is {table['mean'].max():.1e} in the equation where it is largest"
    if not run.config.stationary:
        return
    table, correlations = moments(run)
    if len(table):
        table.to_csv(run.output / "moments.csv", float_format="%.9g")
        correlations.to_csv(run.output / "correlations.csv", float_format="%.6g")
        yield f"moments of {len(table)} variables with standard errors: moments.csv, correlations.csv"
    try:
        rest = stochastic_steady_state(run)
        labels = [label for column in model.state_columns for label in column.labels]
        pd.Series(rest.state.numpy(), labels, name="stochastic steady state").to_csv(
            run.output / "stochastic_steady_state.csv"
        )
        yield str(rest)
    except NoRest as reason:
        yield f"no stochastic steady state: {reason}"
    test = den_haan_marcet(run)
    test.to_csv(run.output / "den_haan_marcet.csv")
    judged = test.dropna()
    if len(judged):
        worst = judged.sort_values("above").iloc[-1]
        yield (
            f"test of Den Haan and Marcet: of the statistics of {worst.name}, {worst['below']:.1f} % lie below the lower 5 % "
            f"point and {worst['above']:.1f} % above the upper"
        )
    yield from _responses(run)


def _responses(run: Run) -> Iterator[str]:
    tables = []
    for i, shock in enumerate(responses.shocks(run.model)[:_SHOCKS]):
        table = responses.impulse_responses(run, i)
        name = f"impulse_responses_{i}.png" if i else "impulse_responses.png"
        figure = responses.draw(table, f"{shock.name} of one standard deviation")
        figures.save(figure, run.output / name)
        table.insert(0, "shock", shock.name)
        tables.append(table)
        beside = ", beside the linear ones" if "linear" in table else ""
        yield f"impulse responses to a {shock.name}{beside}: {name}"
    if tables:
        pd.concat(tables).to_csv(run.output / "impulse_responses.csv", index=False, float_format="%.9g")
