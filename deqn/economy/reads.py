"""Which files a piece of code reads besides the model's own, so that what it gives can be kept until one of them changes.

Python tells of every file that it opens (`sys.addaudithook`; PEP 578, Dower, 2019). Libraries that open files by themselves are
not heard: where a file of the user imports one that is known to, what was read is taken for unknown.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import os
import stat
import sys
import sysconfig
import types
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

_PACKAGE = str(Path(__file__).resolve().parent.parent)
_NOT_OWN = (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), _PACKAGE, "/proc", "/sys", "/dev")
_LIBRARIES = ("site-packages", "dist-packages", "__pycache__")
_UNHEARD = (
    "h5py",
    "netCDF4",
    "xarray",
    "tables",
    "read_hdf",
    "pyarrow",
    "polars",
    "duckdb",
)  # open files without Python
_PROGRAMS = ("subprocess.Popen", "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn")
_NETWORK = ("socket.connect", "socket.getaddrinfo", "socket.sendto", "urllib.Request")
_WRITES = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
_IMPORT_SYSTEM, _LIBRARY = "<frozen importlib", ""


class Reads:
    """What was read between the start and the end of `listen`.

    Attributes:
        files: path -> fingerprint of every file and listed folder; a relative path is as it was opened.
        unknown: why they may not be all, '' where they are.
    """

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        self.unknown = ""
        self._opened: dict[str, Any] = {}  # path -> how it was when it was opened
        self._written: set[str] = set()

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        """An event of Python's; whatever is raised here would be raised where the file is opened."""
        if event in _PROGRAMS or event in _NETWORK or _is_new_process(event, arguments):
            if _importing() != _LIBRARY:
                self._fail("it uses the network" if event in _NETWORK else "it starts another program")
        elif event == "os.rename":
            self._written.add(_absolute(arguments[1]))
        elif event == "open" and arguments[2] & _WRITES:
            self._written.add(_absolute(arguments[0]))
        elif event in ("os.listdir", "os.scandir"):
            self._read("." if arguments[0] is None else arguments[0])
        elif event in ("open", "sqlite3.connect", "ctypes.dlopen"):
            self._read(arguments[0])

    def _read(self, path: Any) -> None:
        if path is None or isinstance(path, int):
            return
        name = os.fsdecode(path)
        if name.startswith("file:"):
            self._fail("it opens a database by a URI")
        if name.endswith(".pyc"):
            with suppress(ValueError):  # a compiled file without its source
                name = importlib.util.source_from_cache(name)
        module = None if name.endswith((".py", ".pyc")) else _importing()
        if module == _LIBRARY or not _is_own(_absolute(name)):
            return
        state = self._opened.setdefault(name, _state(name))
        if module is not None:
            _at_import.setdefault(module, {})[name] = state

    def finish(self, known: list[Path], linked: list[Path]) -> None:
        """Takes the fingerprints, those of modules that were imported before among them.

        Args:
            known: files that need not be listed.
            linked: files that were run.
        """
        modules, unheard = _own_modules(linked)
        for name in modules:
            self._opened = {name: _state(name)} | _at_import.get(name, {}) | self._opened
        if unheard:
            self._fail(f"{unheard} may read files that are not known here")
        without = self._written | {str(path.resolve()) for path in known} | {os.path.abspath(path) for path in known}
        for name, state in self._opened.items():
            if _absolute(name) in without:
                continue
            self.files[name] = fingerprint(name)
            if _state(name) != state:
                self._fail(f"{name} has changed meanwhile")
            elif not self.files[name] and state is not None:
                self._fail(f"{name} is no file that can be read twice")

    def _fail(self, why: str) -> None:
        self.unknown = self.unknown or why


_listening: list[Reads] = []  # a hook cannot be removed: it hears nothing while this is empty
_at_import: dict[str, dict[str, Any]] = {}  # by module of the user's, what it read when it was imported: once a process


@contextmanager
def listen() -> Iterator[Reads]:
    """Hears which files are opened meanwhile; `Reads.finish` then lists them."""
    _install()
    reads = Reads()
    _listening.append(reads)
    try:
        yield reads
    finally:
        _listening.remove(reads)


@functools.cache
def _install() -> None:
    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        for reads in _listening:
            reads.hear(event, arguments)

    sys.addaudithook(hook)


def fingerprint(name: str) -> str:
    """Hash of a file's content, or of the names in a folder; '' where there is neither."""
    try:
        if os.path.isdir(name):
            names = sorted({*os.listdir(name)} - {"__pycache__"})
            return hashlib.sha256("\0".join(names).encode("utf-8", "surrogateescape")).hexdigest()
        if os.path.isfile(name):
            with open(name, "rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError):  # may not be read, or is no name of a file
        return ""
    return ""


def _state(name: str) -> Any:
    """Tells whether a file was changed between two moments; of a folder, only whether it is one."""
    try:
        found = os.stat(name)
    except (OSError, ValueError):
        return None
    return (
        (found.st_mtime_ns, found.st_size, found.st_ino) if stat.S_ISREG(found.st_mode) else stat.S_IFMT(found.st_mode)
    )


def _absolute(path: Any) -> str:
    return str(path) if isinstance(path, int) else os.path.abspath(os.fsdecode(path))


def _is_own(path: str) -> bool:
    """Whether a file is the user's: not Python's, a library's, ours or the operating system's."""
    return not any(path.startswith(place + os.sep) for place in _NOT_OWN) and not {*Path(path).parts} & {*_LIBRARIES}


def _importing() -> str | None:
    """Which module is being imported, by its file; '' (`_LIBRARY`) for a library's, None where none is.

    What a library reads or starts to find out where it is, when it is imported, is no data.
    """
    frame: types.FrameType | None = sys._getframe(2)
    own = _LIBRARY
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(_IMPORT_SYSTEM):
            return own
        own = file if os.path.isabs(file) and _is_own(file) else own
        frame = frame.f_back
    return None


def _is_new_process(event: str, arguments: tuple[Any, ...]) -> bool:
    """Of multiprocessing's ways to start one, two are only seen by the pipe that is written to."""
    if event != "open" or not isinstance(arguments[0], int):
        return False
    return Path(sys._getframe(3).f_code.co_filename).name.startswith("popen_")


def _own_modules(files: list[Path]) -> tuple[list[str], str]:
    """Files of the user's modules that some files import, and that these import; a library among them that is not heard."""
    found: dict[str, None] = {}
    unheard = ""
    todo = [(str(path), "") for path in files]
    for path, package in todo:  # grows while it is read
        for name in _imported(path, package):
            unheard = unheard or next((library for library in _UNHEARD if library in name.split(".")), "")
            module = sys.modules.get(name)
            file = getattr(module, "__file__", None)
            if file and file not in found and _is_own(os.path.abspath(file)):
                found[file] = None
                todo.append((file, getattr(module, "__package__", None) or ""))
    return list(found), unheard


def _imported(path: str, package: str) -> set[str]:
    """Names of the modules that a file imports, and of what it imports from them; `read_hdf`, wherever it is read."""
    try:
        tree = ast.parse(Path(path).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return set()  # a compiled module
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (package or not node.level):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            names |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Attribute):
            names |= {node.attr} & set(_UNHEARD)
    return {".".join(parts[:n]) for parts in (name.split(".") for name in names) for n in range(1, len(parts) + 1)}
