"""What the processes of one launch do for the tests: `several.py jobs.json [inside]`.

Every job is a list of overrides that they train with; `inside` writes what each of them holds into inside.<rank>.pt.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from deqn.commands import train as run_deepnet  # noqa: E402
from deqn.configuration.compose import compose  # noqa: E402
from deqn.economy.model import Model  # noqa: E402
from deqn.economy.probe import probe  # noqa: E402
from deqn.processes import distributed  # noqa: E402
from deqn.processes.comm import Comm  # noqa: E402
from deqn.training.trainer import Trainer  # noqa: E402
from tests.conftest import TINY  # noqa: E402

SGD = [
    *TINY, "optimizer.optimizer=SGD", "optimizer.learning_rate=0.01", "optimizer.learning_rate_schedule=null",
    "optimizer.schedule_kwargs={}",
]  # fmt: skip
LEAST_SQUARES = [*TINY, "optimizer=levenberg_marquardt", "run.keras_precision=float64"]
RBC = [
    "model=rbc_labor", "optimizer=brock_mirman", "run.N_sim_batch=16", "run.N_episode_length=4", "run.N_minibatch_size=16",
    "run.N_epochs_per_episode=1", "optimizer.learning_rate_schedule=null", "optimizer.schedule_kwargs={}",
]  # fmt: skip
KEEPING = {  # what has a state of its own that all processes must have the same
    "reweighting": [*RBC, "run.loss.reweighting=relobralo", "run.loss.lookback=0.5"],
    "MAO": [*RBC, "optimizer.optimizer=MAO", "run.loss.reweighting=inverse", "optimizer.clipnorm=0.1"],
    "AdaHessian": [
        *RBC, "optimizer.optimizer=AdaHessian", "optimizer.learning_rate=0.01",
        "optimizer.learning_rate_schedule=ReduceLROnPlateau", "optimizer.schedule_kwargs={patience: 0, min_delta: 1.0}",
    ],
    "NaturalGradient": [*RBC, "optimizer.optimizer=NaturalGradient", "optimizer.learning_rate=0.1"],
}  # fmt: skip
DROPOUT = "++net.layers.1.hidden.dropout_rate=0.5"
BATCH_NORM = "++net.layers.1.hidden.batch_normalize={momentum: 0.5}"
CLIP = 1e-3


def trainer(comm: Comm, *overrides: str) -> Trainer:
    model = Model(compose(overrides).config, None, comm.rank, comm.local_rank)
    probe(model)
    return Trainer(model, None, comm=comm)


def one_step(comm: Comm, clip: str) -> dict:
    """A gradient step: the minibatch, the parameters before and after, the gradient that was taken."""
    made = trainer(comm, *SGD, f"optimizer.clipvalue={clip}")
    batch = made.state.starting_state.clone()
    before = torch.cat([p.detach().flatten() for p in made.model.network.parameters()])
    with made.model.context():
        made.step(batch)
    after = torch.cat([p.detach().flatten() for p in made.model.network.parameters()])
    return {"batch": batch, "before": before, "gradient": made.gradient.flat.clone(), "after": after}


def least_squares(comm: Comm, solver: str) -> dict:
    """A step of least squares, in float64: the minibatch, the parameters before and after."""
    made = trainer(comm, *LEAST_SQUARES, f"+optimizer.optimizer_kwargs.solver={solver}")
    batch = made.state.starting_state.clone()
    before = torch.cat([p.detach().flatten() for p in made.model.network.parameters()])
    with made.model.context():
        made.step_of_phase.begin(batch[None])
        made.step(batch)
    after = torch.cat([p.detach().flatten() for p in made.model.network.parameters()])
    return {"batch": batch, "before": before, "after": after}


def kept(comm: Comm, settings: list[str]) -> dict:
    """What a process holds after three episodes, of what belongs to all of them."""
    made = trainer(comm, *settings, "run.N_episodes=3")
    made.fit()
    payload = made.state.payload()
    return {name: payload[name] for name in ("policy", "optimizer", "schedule", "weights")}


def inside(comm: Comm) -> dict:
    with_statistics = trainer(comm, *TINY, BATCH_NORM)
    with with_statistics.model.context():
        with_statistics.episode()
        at_its_end = {name: value.clone() for name, value in with_statistics.model.network.state_dict().items()}
    masks = trainer(comm, *TINY, DROPOUT)
    masks.model.network.train()
    same = torch.linspace(0.5, 1.0, 32).reshape(16, 2)
    with torch.no_grad():
        dropped = masks.model.policy(same).clone()
    changed = trainer(comm, *TINY, "run.N_episodes=1")

    def post_init() -> None:
        for p in changed.model.network.parameters():
            p.add_(changed.model.rng.normal(p.shape, stddev=0.1))

    changed.model.post_init = post_init
    changed.fit()
    # a model on a GPU makes it the default of new tensors; what processes tell each other stays on the CPU
    with torch.device("meta"):
        told = [comm.gather({"rank": comm.rank, "x": same}), comm.first(lambda: [7, same])]
    return {
        "told": told,
        "kept": {name: kept(comm, settings) for name, settings in KEEPING.items()},
        "step": one_step(comm, "null"),
        "clipped": one_step(comm, str(CLIP)),
        "least_squares": {solver: least_squares(comm, solver) for solver in ("primal", "dual")},
        "learning_rate": trainer(comm, *SGD).state.learning_rate,
        "unscaled": trainer(comm, *SGD, "optimizer.scale_learning_rate=false").state.learning_rate,
        "statistics": at_its_end,
        "dropped": dropped,
        "after_post_init": {name: value.clone() for name, value in changed.model.network.state_dict().items()},
        "network": {name: value.clone() for name, value in trainer(comm, *TINY).model.network.state_dict().items()},
    }


if __name__ == "__main__":
    comm = distributed.connect()
    for overrides in json.loads(Path(sys.argv[1]).read_text()):
        assert run_deepnet._train(compose(overrides), comm) == 0
    if sys.argv[2:] == ["inside"]:
        torch.save(inside(comm), f"inside.{comm.rank}.pt")
    comm.close()
    distributed.end(0)
