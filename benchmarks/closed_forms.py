"""What the economies of `brock_mirman` and `analytic` do under a trained network, beside what they do under the closed form.

python benchmarks/closed_forms.py                 both models, least squares in double precision, one seed
python benchmarks/closed_forms.py --seeds 0 1 2   worst of three seeds

Impulse responses and moments of both are simulated with the same draws, so that no sampling error is between them. Capital at
rest and the largest eigenvalue are computed here from the closed form, without the library: those of `brock_mirman` where no
shock comes, those of `analytic` at each of the four pairs that its shocks take, and at their means, which its network never sees.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from rich.console import Console
from rich.table import Table

import deqn
from deqn.analysis.rest import Rest
from deqn.analysis.run import Run

LEAST_SQUARES = ["optimizer=levenberg_marquardt", "run.keras_precision=float64"]
SHOCKS = {"brock_mirman": {"shock": "z"}, "analytic": {"node": 0}}


def train(name: str, seed: int, folder: Path) -> Run:
    few = ["run.N_episodes=20"] if name == "brock_mirman" else []
    trainer = deqn.Trainer(deqn.load_model(name, [*LEAST_SQUARES, *few, f"seed={seed}"]))
    trainer.fit(quiet=True)
    return Run(trainer.model, folder, trainer.state.starting_state)


def under_the_closed_form(run: Run) -> Run:
    """The same economy, with the closed form in the network's place."""
    name, config = run.model.name, run.config
    model = deqn.Model(config)

    def policy(states):
        (values,) = (torch.as_tensor(x, dtype=states.dtype) for x in model.closed_form(states).values())
        return values if values.ndim > 1 else values.expand(states.shape[:-1])[..., None]

    model.policy = model.expectations.policy = policy
    assert model.name == name
    return Run(model, run.path, run.starting_state.clone())


def brock_mirman_at_rest(p, rest: Rest) -> tuple[np.ndarray, float]:
    """Capital [1] and the largest eigenvalue: K' = alpha beta z K^alpha, and log z follows an AR(1)."""
    return np.array([(p.alpha * p.beta) ** (1 / (1 - p.alpha))]), max(p.alpha, p.rho)


def analytic_at_rest(p, rest: Rest) -> tuple[np.ndarray, float]:
    """Capital by age [savers] and the largest eigenvalue, at the productivity and depreciation of a resting point.

    Each age saves a constant share of its wealth, k' = share (w, R k_1, ..., R k_4). Shocks are drawn anew: their eigenvalues
    are 0.
    """
    left = np.arange(p.savers, 0, -1)
    share = p.beta * (1 - p.beta**left) / (1 - p.beta ** (left + 1))
    eta, delta = rest.state[p.savers :].tolist()

    def prices(K: float) -> tuple[float, float]:
        return (1 - p.alpha) * eta * K**p.alpha, 1 - delta + p.alpha * eta * K ** (p.alpha - 1)

    k = np.full(p.savers, 0.05)
    for _ in range(10_000):
        w, R = prices(k.sum())
        k = share * np.append(w, R * k[:-1])
    K = k.sum()
    w, R = prices(K)
    by_capital = np.append(p.alpha * w / K, (p.alpha - 1) * (R - 1 + delta) / K * k[:-1])  # of wealth, through w and R
    slopes = share[:, None] * (by_capital[:, None] + R * np.eye(p.savers, k=-1))
    return k, float(np.abs(np.linalg.eigvals(slopes)).max())


NODES: dict[str, list[int | None]] = {"brock_mirman": [None], "analytic": [0, 1, 2, 3, None]}
AT_REST = {"brock_mirman": brock_mirman_at_rest, "analytic": analytic_at_rest}


def distances(run: Run) -> dict[str, float]:
    """Of the network's economy from that of the closed form: the largest over variables, and periods."""
    exact = under_the_closed_form(run)
    tables = []
    for each in (run, exact):
        each.model.rng.seed(7)
        responses = each.impulse_responses(economies=200, **SHOCKS[run.model.name])
        each.model.rng.seed(8)
        moments, correlations = each.moments(trajectories=500, periods=400)
        tables.append((responses, moments, correlations))
    (r, m, c), (r0, m0, c0) = tables
    size = r0.groupby("variable")["response"].transform(lambda x: x.abs().max())
    moved = size > 1e-6
    moments = ["mean", "std", "autocorrelation", "skewness"]
    moves = m0["std"] > 1e-6 * m0["mean"].abs()
    scale = pd.DataFrame(
        {"mean": m0["mean"].abs() + m0["std"], "std": m0["std"], "autocorrelation": 1.0, "skewness": 1.0}
    )
    found = {
        "policy": max(row["max"] for table in run.policy_error_table().values() for row in table.values()),
        "response": float(((r["response"] - r0["response"]).abs() / size)[moved].max()),
        **{f"{x} of moments": float(((m[x] - m0[x]).abs() / scale[x])[moves].max()) for x in moments},
        "correlation": float(np.nanmax((c - c0).loc[moves, moves].abs().to_numpy())),
    }
    for node in NODES[run.model.name]:
        rest = run.stochastic_steady_state(node)
        capital, root = AT_REST[run.model.name](run.model.Parameters, rest)
        off = float(np.abs(rest.state[: capital.size].numpy() / capital - 1).max())
        for what, distance in (("capital at rest", off), ("largest eigenvalue", abs(rest.root - root))):
            row = f"{what}, not trained there" if rest.unseen else what
            found[row] = max(distance, found.get(row, 0.0))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    seeds = parser.parse_args().seeds
    table = Table("largest distance", *SHOCKS)
    rows: dict[str, dict[str, float]] = {}
    for name in SHOCKS:
        for seed in seeds:
            with tempfile.TemporaryDirectory() as folder:
                for what, value in distances(train(name, seed, Path(folder))).items():
                    row = rows.setdefault(what, {})
                    row[name] = max(value, row.get(name, 0.0))
    for what, row in rows.items():
        table.add_row(what, *(f"{row[name]:.1e}" if name in row else "" for name in SHOCKS))
    Console().print(table)


if __name__ == "__main__":
    main()
