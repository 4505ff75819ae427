"""Where a model computes."""

from __future__ import annotations

import torch

from deqn.errors import ConfigError, count, suggestion


def pick_device(name: str, local_rank: int = 0) -> torch.device:
    """The device behind `auto`, `cpu`, `cuda` or `cuda:<n>`; of several GPUs, each process of a machine takes one.

    Raises:
        ConfigError: when it is not there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and torch.cuda.device_count() > 1:
        name = f"cuda:{local_rank % torch.cuda.device_count()}"
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise ConfigError(
            f"device = {name!r}: expected auto, cpu, cuda or cuda:<n>.{suggestion(name, ['auto', 'cpu', 'cuda'])}"
        )
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"device = {name!r}: this machine has {count(torch.cuda.device_count(), 'CUDA device')}. Use auto or cpu."
        )
    return device
