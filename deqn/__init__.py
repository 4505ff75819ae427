"""Deep Equilibrium Nets: solve economic models by training a network on their equilibrium conditions.

The method is that of Azinovic, Gaegauf and Scheidegger (2022), "Deep Equilibrium Nets", International Economic Review 63(4),
1471-1525. Model files and keys are those of the TensorFlow DEQN library of Scheidegger and co-authors. All sources are in
docs/explanation/references.md.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deqn.analysis import figures
    from deqn.analysis.run import Run, load_run
    from deqn.api import load_model, model_from
    from deqn.commands.from_python import resume, train
    from deqn.economy.model import Model
    from deqn.economy.network import dense_network
    from deqn.errors import CheckpointError, ConfigError, DEQNError, ModelError, SaveError, TrainingError
    from deqn.numerics import complementarity, histogram, household, markov, portfolio, preferences
    from deqn.numerics.initial_weights import variance_scaling_
    from deqn.training.trainer import Trainer

__version__ = "0.2.0.dev0"

# where each public name lives. It is imported when it is asked for: PyTorch alone takes a second, which `deqn list` has not
_PUBLIC = {
    "CheckpointError": "deqn.errors",
    "ConfigError": "deqn.errors",
    "DEQNError": "deqn.errors",
    "Model": "deqn.economy.model",
    "ModelError": "deqn.errors",
    "Run": "deqn.analysis.run",
    "SaveError": "deqn.errors",
    "Trainer": "deqn.training.trainer",
    "TrainingError": "deqn.errors",
    "complementarity": "deqn.numerics",
    "dense_network": "deqn.economy.network",
    "figures": "deqn.analysis",
    "histogram": "deqn.numerics",
    "household": "deqn.numerics",
    "load_model": "deqn.api",
    "load_run": "deqn.analysis.run",
    "markov": "deqn.numerics",
    "model_from": "deqn.api",
    "portfolio": "deqn.numerics",
    "preferences": "deqn.numerics",
    "resume": "deqn.commands.from_python",
    "train": "deqn.commands.from_python",
    "variance_scaling_": "deqn.numerics.initial_weights",
}

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
    "complementarity",
    "dense_network",
    "figures",
    "histogram",
    "household",
    "load_model",
    "load_run",
    "markov",
    "model_from",
    "portfolio",
    "preferences",
    "resume",
    "train",
    "variance_scaling_",
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'deqn' has no attribute {name!r}")
    home = importlib.import_module(_PUBLIC[name])
    value = getattr(home, name, None) or importlib.import_module(f"{home.__name__}.{name}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
