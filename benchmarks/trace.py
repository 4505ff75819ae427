"""Whether the eligibility trace helps: residuals after the same number of gradient steps, for several decays.

python benchmarks/trace.py            a table: mean |residual| on fresh simulated states, each seed and the worst
python benchmarks/trace.py --seeds 1  faster

Minibatches are whole trajectories for all rows but the first, which has the ordinary ones.
"""

from __future__ import annotations

import argparse
import time

import torch

import deqn
from deqn.configuration.compose import compose
from deqn.economy.probe import probe
from deqn.training import simulate

SIZES = ["run.N_sim_batch=128", "run.N_episode_length=16", "run.N_minibatch_size=128", "run.N_epochs_per_episode=1"]
ADAM = ["optimizer=brock_mirman", "net.warm_start=none", "run.keras_precision=float32"]
MODELS = {
    "brock_mirman, delta=0.1": ["model=brock_mirman", "constants.delta=0.1", *SIZES, *ADAM, "run.N_episodes=150"],
    "rbc_labor": ["model=rbc_labor", *SIZES, "optimizer=brock_mirman", "run.N_episodes=300"],
}
SCHEDULE = "optimizer.schedule_kwargs={alpha: 0.003}"
ROWS = {"ordinary minibatches": [], **{
    f"trace_decay={decay}": ["run.sorted_within_batch=true", f"run.loss.trace_decay={decay}"]
    for decay in (0.0, 0.5, 0.8, 0.9, 0.95)
}}  # fmt: skip


def residual(overrides: list[str]) -> tuple[float, float]:
    """Mean absolute residual after training, on 20 periods of 512 fresh trajectories; seconds of training."""
    model = deqn.Model(compose(overrides).config)
    probe(model)
    trainer = deqn.Trainer(model)
    began = time.process_time()
    trainer.fit(quiet=True)
    seconds = time.process_time() - began
    model.rng.generator.manual_seed(10_000)
    with model.context(), torch.no_grad():
        states = simulate.episode(model.step, model.initial_states(512), 20)[0].flatten(0, 1)
        found = model.equations(states, model.policy(states))
    return float(torch.stack([r.abs().mean() for r in found.values()]).mean()), seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    for model, overrides in MODELS.items():
        for row, settings in ROWS.items():
            found = [residual([*overrides, SCHEDULE, *settings, f"seed={seed}"]) for seed in range(arguments.seeds)]
            cells = "  ".join(f"{value:.2e}" for value, _ in found)
            worst, seconds = max(value for value, _ in found), sum(s for _, s in found) / len(found)
            print(f"{model:25} {row:22} {cells}  worst {worst:.2e}  {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
