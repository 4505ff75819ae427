"""Where least squares end from random networks, by the share of tomorrow's change of policy that a step reckons with.

python benchmarks/random_starts.py                        three economies, foresight 1 and 0.9, four seeds
python benchmarks/random_starts.py --foresight 0.75 --seeds 0
python benchmarks/random_starts.py --from-the-linear-rule     rbc_labor, 20 trainings by Adam: seeds, widths, learning rates

Mean capital over 1,000 simulated periods of 100 trajectories (the first 200 left out), in units of the steady state's, and the
mean absolute residual there.
"""

from __future__ import annotations

import argparse
from itertools import product
from pathlib import Path

import torch

import deqn
from deqn.economy.steady_state import steady_state

WAYS: dict[str, tuple[str, list[str]]] = {
    "brock_mirman, delta = 0.1": ("brock_mirman", ["constants.delta=0.1", "run.N_episodes=20", "run.N_minibatch_size=256"]),
    "rbc_labor": ("rbc_labor", ["run.N_episodes=8"]),
    "rbc_labor, loose bounds, 0.2 to 5 times the capital": (
        "rbc_labor",
        [
            "run.N_episodes=20", "run.N_sim_batch=64", "run.N_episode_length=20", "run.N_epochs_per_episode=1",
            "run.N_minibatch_size=256", "variables.policies.0.bounds={lower: 0.0001, upper: 0.9999}",
            "variables.policies.1.bounds={lower: 0.0001, upper: 0.9999}",
            "variables.states.0.init.kwargs={minval: 2.53, maxval: 63.3}",
        ],
    ),
}  # fmt: skip

LOOSE = WAYS["rbc_labor, loose bounds, 0.2 to 5 times the capital"][1]


def measure(name: str, overrides: list[str]) -> tuple[float, float]:
    """Capital in units of the steady state's, and the mean |residual|."""
    model = deqn.load_model(name, overrides)
    deqn.Trainer(model).fit(quiet=True)
    rest = steady_state(deqn.load_model(name, [text for text in overrides if text.startswith("constants.")]))
    assert rest is not None
    run = deqn.Run(model, Path())
    states = run.simulate(batch=100, length=1000)[200:].flatten(0, 1)[::10]
    residual = torch.cat([values.flatten() for values in run.residuals(states).values()]).abs().mean()
    return float(model.State.K(states).mean()) / float(model.State.K(rest.state)), float(residual)


def from_the_linear_rule() -> None:
    """Adam from the linear solution in loose bounds; 2,000 steps each."""
    ended = []
    adam = ["optimizer=brock_mirman", "optimizer.schedule_kwargs={alpha: 0.003}", "run.keras_precision=float32"]
    for seed, width, rate in product(range(5), (16, 64), (0.001, 0.01)):
        found = measure(
            "rbc_labor",
            [
                *LOOSE, *adam, "run.N_sim_batch=128", "run.N_minibatch_size=128", "run.N_episodes=100",
                f"net.layers.0.hidden.units={width}", f"net.layers.1.hidden.units={width}",
                f"optimizer.learning_rate={rate}", "net.warm_start=linear", f"seed={seed}",
            ],
        )  # fmt: skip
        ended.append(found[0])
        print(
            f"seed {seed}, {width} units, learning rate {rate}: capital {found[0]:.3f}, residual {found[1]:.1e}",
            flush=True,
        )
    elsewhere = sum(not 0.9 < capital < 1.1 for capital in ended)
    print(f"{elsewhere} of {len(ended)} trainings end elsewhere than within a tenth of the steady state's capital")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--foresight", type=float, nargs="+", default=[1.0, 0.9])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3])
    parser.add_argument("--from-the-linear-rule", action="store_true")
    options = parser.parse_args()
    if options.from_the_linear_rule:
        from_the_linear_rule()
    else:
        by_foresight(options.foresight, options.seeds)


def by_foresight(shares: list[float], seeds: list[int]) -> None:
    for name, (model, overrides) in WAYS.items():
        for foresight in shares:
            for seed in seeds:
                try:
                    capital, residual = measure(
                        model,
                        [
                            *overrides, "optimizer=levenberg_marquardt", f"+optimizer.optimizer_kwargs.foresight={foresight}",
                            "net.warm_start=none", "run.keras_precision=float64", f"seed={seed}",
                        ],
                    )  # fmt: skip
                except deqn.DEQNError as error:
                    print(f"{name}, foresight {foresight}, seed {seed}: {str(error).splitlines()[0]}", flush=True)
                else:
                    line = f"capital {capital:.3f} times the steady state's, residual {residual:.1e}"
                    print(f"{name}, foresight {foresight}, seed {seed}: {line}", flush=True)


if __name__ == "__main__":
    main()
