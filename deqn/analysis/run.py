"""A finished run: rebuilt from its folder, with all that one asks of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deqn.analysis import verdict
from deqn.analysis.den_haan_marcet import den_haan_marcet
from deqn.analysis.drift import policy_drift
from deqn.analysis.impulse_responses import impulse_responses
from deqn.analysis.moments import moments
from deqn.analysis.rest import Rest, stochastic_steady_state
from deqn.analysis.trained import Trained
from deqn.analysis.verdict import Verdict
from deqn.configuration.compose import Composed, compose
from deqn.disk import checkpoint
from deqn.disk.checkpoint import Checkpoints
from deqn.disk.run_folder import RunFolder, changes, comparable
from deqn.economy.files import files_hash
from deqn.economy.model import Model
from deqn.economy.probe import probe
from deqn.economy.shocks import not_disabled
from deqn.training.cpu import configure_cpu

if TYPE_CHECKING:
    import pandas as pd


def load_run(
    path: str | Path, starting_point: str = "LATEST", overrides: Sequence[str] = ()
) -> Run:  # fmt: skip
    """A trained model from its run folder; the folder is only read.

    Args:
        path: the run folder, the one that holds `.hydra/` and `ckpt/`.
        starting_point: `LATEST` or the name of a checkpoint.
        overrides: single keys to change, `run.N_sim_batch=100`.

    Raises:
        ConfigError, ModelError, CheckpointError: when it cannot be rebuilt.

    Example:
        run = deqn.load_run("runs/bm1972/2026-11-21/10-00-00")
        states = run.simulate(batch=1, length=1000)
        run.accuracy(states)
    """
    return rebuild(compose(overrides, run_dir=path), starting_point)


def rebuild(composed: Composed, starting_point: str) -> Run:
    """The run behind a composed configuration that was read from its folder."""
    source = composed.source or composed.run_dir
    folder = RunFolder(source)
    configure_cpu(composed.config.run.threads)
    model = Model(composed.config, folder.calibration(composed.config.constants), log_dir=source)
    with model.context():
        model.Globals.__dict__.update(POST_PROCESSING=True, DISABLE_SHOCKS=composed.config.DISABLE_SHOCKS)
        probe(model)
    payload, name, warnings = Checkpoints(source, required=checkpoint.PAYLOAD).load(starting_point)
    run = Run(model, source, payload["starting_state"].to(model.device), payload["episode"])
    checkpoint.load_policy(model.network, payload, name, source)
    before = folder.read()
    now = comparable(composed.config)["constants"]
    # the checkpoint knows what was trained; one of before it did has only the run's record
    trained = payload["header"].get("constants", before.get("configuration", {}).get("constants", now))
    differences = changes(trained, now, "constants")
    if differences:
        run.notes.append(
            f"trained with other constants ({'; '.join(differences[:5])}); derived ones are computed anew."
        )
    status = before.get("status", "unknown")
    if status != "finished":
        run.notes.append(f"this run is not finished (status: {status}, checkpoint of episode {run.episode}).")
    if payload["header"]["model_files"] != files_hash(model.folder):
        run.notes.append(f"the files of {model.folder} have changed since {name} was written.")
    run.notes += warnings + not_disabled(model)
    return run


class Run(Trained):
    """A trained model with what one asks of it; `deqn.load_run` makes one."""

    def impulse_responses(self, shock: int | str | None = None, size: float = 1.0, **options: Any) -> pd.DataFrame:
        """Generalised impulse responses, beside the linear ones: `deqn.analysis.impulse_responses`."""
        return impulse_responses(self, shock, size, **options)

    def moments(self, **options: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Simulated moments with standard errors, and correlations: `deqn.analysis.moments`."""
        return moments(self, **options)

    def stochastic_steady_state(self, node: int | None = None) -> Rest:
        """Where the economy rests without shocks, or at one node of them, under its policy: `deqn.analysis.rest`."""
        return stochastic_steady_state(self, node=node)

    def den_haan_marcet(self, **options: Any) -> pd.DataFrame:
        """Whether the errors of the equations can be foreseen: `deqn.analysis.den_haan_marcet`."""
        return den_haan_marcet(self, **options)

    def policy_drift(self) -> pd.DataFrame:
        """How much policies still moved between the last checkpoints: `deqn.analysis.drift`."""
        return policy_drift(self)

    def check(self) -> Verdict:
        """What speaks against the solution, on states simulated anew: `deqn.analysis.verdict`."""
        return verdict.judge(self)


def link_into(run_dir: Path, file: Path) -> None:
    """Makes `<run_dir>/<name>` the given file, which is where the TensorFlow library writes it."""
    target = run_dir / file.name
    temporary = run_dir / f"{file.name}.tmp"
    temporary.unlink(missing_ok=True)
    try:
        os.link(file, temporary)
    except OSError:  # a file system without links
        shutil.copyfile(file, temporary)
    os.replace(temporary, target)
