"""What the trained economy does, for post-processing: moments, impulse responses, where it rests, what can be foreseen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch

from deqn.analysis import figures
from deqn.analysis import impulse_responses as responses
from deqn.analysis.den_haan_marcet import den_haan_marcet
from deqn.analysis.drift import policy_drift
from deqn.analysis.moments import moments
from deqn.analysis.nodes import accuracy_with_other_nodes
from deqn.analysis.rest import NoRest, stochastic_steady_state
from deqn.configuration.words import units

if TYPE_CHECKING:
    from deqn.analysis.run import Run
    from deqn.economy.linear import LinearSolution

LARGEST = 2_000  # entries of a state: beyond, a distribution has tests of its own
_SHOCKS = 4  # whose responses are drawn


def post_process(run: Run, linear: LinearSolution | None) -> Iterator[str]:
    """Writes tables and figures into `run.output`, and says in a line each what they are of.

    Args:
        linear: the linear solution, where there is one.
    """
    model = run.model
    drift = policy_drift(run)
    if len(drift):
        drift.to_csv(run.output / "policy_drift.csv")
        last = drift.iloc[-1]
        yield f"policies between the last two checkpoints: {last.idxmax()} changed most, by {100 * last.max():.2g} % on average"
    if model.n_states > LARGEST:
        return
    if _has_shocks(run):
        described, before, after = accuracy_with_other_nodes(run, run.cloud())
        pd.concat({"as trained": before, described: after}, names=["expectations"]).to_csv(
            run.output / "euler_discrepancies_other_nodes.csv"
        )
        yield _with_other_nodes(described, before, after)
    if not (run.config.stationary and _has_shocks(run)):
        return
    table, correlations = moments(run)
    if len(table):
        table.to_csv(run.output / "moments.csv", float_format="%.9g")
        correlations.to_csv(run.output / "correlations.csv", float_format="%.6g")
        yield f"moments of {len(table)} variables with standard errors: moments.csv, correlations.csv"
    yield from _at_rest(run)
    test = den_haan_marcet(run)
    test.to_csv(run.output / "den_haan_marcet.csv")
    judged = test.dropna()
    if len(judged):
        most = judged.sort_values("above").iloc[-1]
        yield (
            f"test of Den Haan and Marcet: of the statistics of {most.name}, {most['below']:.1f} % lie below the lower 5 % "
            f"point and {most['above']:.1f} % above the upper"
        )
    yield from _responses(run, linear)


def _has_shocks(run: Run) -> bool:
    return _n_nodes(run) > 1


def _n_nodes(run: Run) -> int:
    """Nodes of the shocks, or draws in their place."""
    model, states = run.model, run.cloud()[:1]
    with model.context(), torch.no_grad():
        return len(model.expectations.probabilities(states, model.policy(states)))


def _at_rest(run: Run) -> Iterator[str]:
    """Where the economy rests without shocks; and at nodes of them, where no shock means nothing, as in a Markov chain."""
    places, labels = {}, [label for column in run.model.state_columns for label in column.labels]
    try:
        rest = stochastic_steady_state(run)
    except NoRest as reason:
        yield f"no stochastic steady state: {reason}"
        return
    yield str(rest)
    places["stochastic steady state"] = rest.state.numpy()
    if not run.model.expectations.drawn and (rest.unseen or not rest.common):
        n = _n_nodes(run)
        for node in sorted({0, n // 2, n - 1}):
            try:
                rest = stochastic_steady_state(run, node=node)
            except NoRest as reason:
                yield f"no rest where node {node} comes each period: {reason}"
                continue
            yield str(rest)
            places[f"node {node}"] = rest.state.numpy()
    pd.DataFrame(places, labels).to_csv(run.output / "stochastic_steady_state.csv")


def _with_other_nodes(described: str, before: pd.DataFrame, after: pd.DataFrame) -> str:
    """The equation with the largest mean residual; not the largest entry of a shape, which may be another one in each table."""
    means = pd.DataFrame({"before": before["mean"], "after": after["mean"]}).dropna().sort_values("after").iloc[-1]
    return (
        f"with {described}, mean |residual| of {means.name} is {means['after']:.1e}; on the same states it was "
        f"{means['before']:.1e}"
    )


def _responses(run: Run, linear: LinearSolution | None) -> Iterator[str]:
    model = run.model
    found: list[tuple[str, dict[str, Any]]] = [
        (f"{shock.name} of one standard deviation", {"shock": i})
        for i, shock in enumerate(responses.shocks(model)[:_SHOCKS])
    ]
    if not found and not model.expectations.drawn:  # shocks that are drawn from a list
        states = run.cloud()[:1]
        with model.context(), torch.no_grad():
            last = len(model.expectations.probabilities(states, model.policy(states))) - 1
        found = [(f"shock that leads to node {node}", {"node": node}) for node in (0, last)]
    tables = []
    for i, (name, options) in enumerate(found):
        table = responses.impulse_responses(run, linear=linear, **options)
        file = f"impulse_responses_{i}.png" if i else "impulse_responses.png"
        figures.save(responses.draw(table, name, units(run.config)), run.output / file)
        table.insert(0, "to", name)
        tables.append(table)
        yield f"impulse responses to a {name}{', beside the linear ones' if 'linear' in table else ''}: {file}"
    if tables:
        pd.concat(tables).to_csv(run.output / "impulse_responses.csv", index=False, float_format="%.9g")
