"""Settings of the process that make small networks fast on a CPU."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import platform
import sys
from collections.abc import Iterator

import torch


def configure_cpu(threads: int) -> None:
    """CPU threads; denormal numbers flushed to zero; memory kept between steps.

    Fading histogram masses become denormal numbers, which slow every operation on them. glibc gives blocks above 128 KiB
    back to the system when they are freed, so that each step would fault its pages in again.
    """
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    if sys.platform == "linux" and platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        m_trim_threshold, m_mmap_threshold = -1, -3
        libc.mallopt(m_mmap_threshold, 1 << 25)  # 32 MiB, the largest that glibc takes
        libc.mallopt(m_trim_threshold, 1 << 30)


@contextlib.contextmanager
def no_garbage() -> Iterator[None]:
    """Python does not look for garbage meanwhile: PyTorch's imports and tracing make a million objects, which stay.

    To look through all of them again and again would take half a second of a start.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
