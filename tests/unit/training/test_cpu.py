"""deqn/training/cpu.py."""

from __future__ import annotations

import torch

from deqn.training.cpu import configure_cpu


def test_denormal_numbers_become_zero_and_threads_are_set():
    configure_cpu(1)
    assert torch.get_num_threads() == 1
    assert float(torch.tensor(1e-38) * 1e-3) == 0.0
