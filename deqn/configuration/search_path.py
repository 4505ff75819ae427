"""A file of the user's stands for the shipped one of its name; Hydra by itself would take the shipped one, and say nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin

_first: ContextVar[Path | None] = ContextVar("_first", default=None)


class _OwnFilesFirst(SearchPathPlugin):
    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        folder = _first.get()
        if folder is not None:
            search_path.prepend("--config-dir", f"file://{folder}")


@contextlib.contextmanager
def own_files_first(config_dir: str | Path | None) -> Iterator[None]:
    """Inside, Hydra looks for the files of the groups in this folder first."""
    Plugins.instance().register(_OwnFilesFirst)
    token = _first.set(None if config_dir is None else Path(config_dir).resolve())
    try:
        yield
    finally:
        _first.reset(token)
