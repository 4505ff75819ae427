"""`import Parameters` in a file of a model folder: constants, settings of the run, generator and network; read-only."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from deqn.numerics.rng import Rng

MODEL_NAME: str
N_sim_batch: int
N_episode_length: int
N_epochs_per_episode: int
N_minibatch_size: int
N_episodes: int
sorted_within_batch: bool
expectation_type: str
expectation_pseudo_draws: int
n_quad_pts: int
initialize_each_episode: bool
device: torch.device
dtype: torch.dtype

rng: Rng
policy: Callable[[Tensor], Tensor]
policy_net: torch.nn.Module
initialize_states: Callable[..., Tensor]

states: list[str]
policy_states: list[str]
definitions: list[str]
state_bounds_hard: dict[str, dict[str, float | Tensor]]  # a tensor where entries have bounds of their own
policy_bounds_hard: dict[str, dict[str, float | Tensor]]  # a tensor where entries have bounds of their own
definition_bounds_hard: dict[str, dict[str, float | Tensor]]  # a tensor where entries have bounds of their own

starting_state: Tensor
LOG_DIR: str
summary: Any  # torch.utils.tensorboard.SummaryWriter
gradient_steps: int  # taken so far: the horizontal axis of TensorBoard

def __getattr__(name: str) -> Any:
    """A constant of config/constants or of Calibration.py."""
