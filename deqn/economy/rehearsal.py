"""Hooks tried on copies: what they do to states, network, generators and files is forgotten."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from deqn.economy.model import Model


@contextlib.contextmanager
def rehearsing(model: Model, states: Tensor, **run: Any) -> Iterator[str]:
    """Inside, hooks have these states, and a folder that is removed afterwards; what they change is put back.

    Args:
        states: `Parameters.starting_state` meanwhile, `[batch, n_states]`.
        run: further values of `Model.set_run`.

    Yields:
        The folder, which is `Parameters.LOG_DIR`.
    """
    parameters, switches = dict(model.Parameters.__dict__), dict(model.Globals.__dict__)
    weights = {name: tensor.clone() for name, tensor in model.network.state_dict().items()}
    generator = model.rng.get_state()
    try:
        with tempfile.TemporaryDirectory() as folder, torch.random.fork_rng([]), model.context():
            for path in model.log_folders:
                Path(folder, path).mkdir()
            model.set_run(starting_state=states, LOG_DIR=folder, **run)
            yield folder
    finally:
        model.rng.set_state(generator)
        model.network.load_state_dict(weights)
        model.Parameters.__dict__.update(parameters)
        model.Globals.__dict__.update(switches)


def starting_states(model: Model, n: int) -> Tensor:
    """States in which training starts: `[n, n_states]`.

    Initial states; in a folder written for the TensorFlow library what its `post_init` makes of them, as is usual there. What
    that hook prints is shown where it is called for itself, and not here.
    """
    if not model.for_tensorflow or model.post_init is None:
        return model.initial_states(n)
    states = model.initial_states(model.config.run.N_sim_batch)
    with rehearsing(model, states), contextlib.redirect_stdout(io.StringIO()):
        model.run_post_init()
    return states.repeat(-(-n // len(states)), 1)[:n]
