"""Deep Equilibrium Nets: solve economic models by training a network on their equilibrium conditions."""

from deqn.api import load_model
from deqn.errors import CheckpointError, ConfigError, DEQNError, ModelError, SaveError, TrainingError
from deqn.model import Model
from deqn.post import Run, load_run
from deqn.trainer import Trainer

__version__ = "0.1.0"

__all__ = [
    "CheckpointError",
    "ConfigError",
    "DEQNError",
    "Model",
    "ModelError",
    "Run",
    "SaveError",
    "Trainer",
    "TrainingError",
    "__version__",
    "load_model",
    "load_run",
]
