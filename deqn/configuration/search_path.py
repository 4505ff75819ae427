"""A file of the user's stands for the shipped one of its name; Hydra by itself would take the shipped one, and say nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from pathlib import Path

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin

_folders: ContextVar[tuple[tuple[Path, ...], tuple[Path, ...]]] = ContextVar("_folders", default=((), ()))


class _OwnFilesFirst(SearchPathPlugin):
    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        first, last = _folders.get()
        for folder in reversed(first):
            search_path.prepend("--config-dir", f"file://{folder}")
        for folder in last:
            search_path.append("deqn", f"file://{folder}")


@contextlib.contextmanager
def own_files_first(first: Iterable[Path], last: Iterable[Path] = ()) -> Iterator[None]:
    """Inside, Hydra looks for the files of the groups in some folders first, and in others at the end."""
    Plugins.instance().register(_OwnFilesFirst)
    token = _folders.set((tuple(first), tuple(last)))
    try:
        yield
    finally:
        _folders.reset(token)
