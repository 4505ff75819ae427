"""Settings of the process that make small networks fast on a CPU."""

from __future__ import annotations

import ctypes
import platform
import sys

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
