"""`--check` calls a model's hooks as training would: what fails there is found now, and not after the first episode."""

from __future__ import annotations

from collections.abc import Callable

import torch

from deqn.economy.model import Model
from deqn.economy.rehearsal import rehearsing
from deqn.errors import ModelError, count
from deqn.training.writer import LazyWriter


def try_hooks(model: Model) -> None:
    """Calls `post_init`, `progress`, and `cycle_hook` as after the first and last episode: on copies, into a temporary folder.

    Raises:
        ModelError: with every hook that fails.
    """
    run = model.config.run
    first = run.hook_counts_from
    generator = model.rng.get_state()
    states = model.initial_states(run.N_sim_batch)
    problems: list[str] = []

    def call(what: str, function: Callable[..., object] | None, *arguments: object) -> None:
        """A hook that fails is a problem, and the others are called none the less; a user's `sys.exit()` ends nothing here."""
        try:
            if function is not None:
                function(*arguments)
        except (Exception, SystemExit) as error:
            problems.append(str(model.failed(what, error)))

    with rehearsing(model, states, gradient_steps=0) as folder, torch.no_grad():
        writer = LazyWriter(folder)
        model.set_run(summary=writer)
        call("post_init()", model.post_init)
        model.set_episode(1)
        for i in sorted({first, first + run.N_episodes - 1}):
            call("cycle_hook(state, i)", model.cycle_hook, states, i)
        call("progress(state)", model.progress, states)
        writer.close()
        model.set_episode(0)
    model.rng.set_state(generator)
    if problems:
        problems = list(dict.fromkeys(problems))
        raise ModelError(f"{count(len(problems), 'problem')} in {model.folder}", problems)
