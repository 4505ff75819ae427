"""deqn/training/cpu.py."""

from __future__ import annotations

import gc

import torch

from deqn.training.cpu import configure_cpu, no_garbage


def test_denormal_numbers_become_zero_and_threads_are_set():
    configure_cpu(1)
    assert torch.get_num_threads() == 1
    assert float(torch.tensor(1e-38) * 1e-3) == 0.0


def test_garbage_waits_until_the_end_and_a_user_who_has_switched_it_off_keeps_it_so():
    for before in (True, False):
        (gc.enable if before else gc.disable)()
        try:
            with no_garbage():
                assert not gc.isenabled()
            assert gc.isenabled() is before
        finally:
            gc.enable()
