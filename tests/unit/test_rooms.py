"""Every import runs downwards: from a room to a room below it, and never in a circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

# from the top down, as in CONTRIBUTING.md; a room imports from those below it
ROOMS = [
    "__main__", "commands", "api", "analysis", "training", "disk", "economy", "configuration", "tensorflow", "processes",
    "numerics", "shipped", "errors",
]  # fmt: skip


def files(package: Path) -> dict[str, Path]:
    """Name of each module -> its file; the rooms' own `__init__` and the lazy public names are no files of a room."""
    found = {".".join(path.relative_to(package.parent).with_suffix("").parts): path for path in package.rglob("*.py")}
    return {name: path for name, path in found.items() if not name.endswith("__init__")}


def imports(path: Path, known: dict[str, Path]) -> Iterator[tuple[int, str]]:
    """Line and module of each import of our own, wherever in the file it stands: under TYPE_CHECKING, in a function."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            inner = [f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names]
            names = [name if name in known else name.rpartition(".")[0] for name in inner]
            if node.module == "deqn":  # `from deqn import Trainer`: the public names stand above all rooms
                names += [f"deqn.__init__ ({name})" for name in inner if name not in {*known, "deqn.__version__"}]
        for name in names:
            if name in known or name.startswith(("deqn.__init__", ".")):
                yield node.lineno, name


def room(module: str) -> str:
    return module.split(".")[1]


def upward(package: Path) -> list[str]:
    """Imports that run upwards, or to a room that is not in the list."""
    known, wrong = files(package), []
    for module, path in known.items():
        for line, target in imports(path, known):
            place = f"{module}:{line} imports {target}"
            if target.startswith(("deqn.__init__", ".")):
                wrong.append(f"{place}: name the file itself, from deqn.<room>.<file> import ...")
                continue
            missing = [r for r in (room(module), room(target)) if r not in ROOMS]
            if missing:
                wrong.append(f"{place}: {missing[0]} is no room of tests/unit/test_rooms.py")
            elif ROOMS.index(room(target)) < ROOMS.index(room(module)):
                wrong.append(f"{place}: {room(module)} lies below {room(target)}")
    return wrong


def circles(package: Path) -> list[str]:
    """Files that import each other, directly or through others."""
    known = files(package)
    ties = {module: {t for _, t in imports(path, known) if t in known} for module, path in known.items()}

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = [*ties[start]]
        while waiting:
            module = waiting.pop()
            if module not in seen:
                seen.add(module)
                waiting += ties[module]
        return seen

    return sorted(module for module in known if module in reached(module))


def test_every_import_runs_downwards():
    assert upward(ROOT / "deqn") == []


def test_no_files_import_each_other():
    assert circles(ROOT / "deqn") == []


def test_rooms_import_nothing_by_themselves():
    """`import deqn.economy.files` must not bring PyTorch: an `__init__` that imports would."""
    for path in (ROOT / "deqn").glob("*/__init__.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)], path


def test_unit_tests_lie_in_the_rooms_of_what_they_test():
    rooms = {path.parent.name for path in (ROOT / "deqn").glob("*/__init__.py")}
    assert {path.parent.name for path in (ROOT / "tests" / "unit").glob("*/test_*.py")} <= rooms


@pytest.mark.parametrize(
    "line",
    [
        "from deqn.training import loss",
        "from deqn.training.loss import terms",
        "import deqn.training.loss",
        "def f():\n    from deqn.training.loss import terms",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from deqn.training.loss import LossTerms",
    ],
)
def test_an_upward_import_is_found(tmp_path, line):
    for name, text in {"economy/model": line, "training/loss": ""}.items():
        path = tmp_path / "deqn" / f"{name}.py"
        path.parent.mkdir(parents=True)
        path.write_text(text)
    (wrong,) = upward(tmp_path / "deqn")
    assert "imports deqn.training.loss: economy lies below training" in wrong


@pytest.mark.parametrize(
    "line", ["from deqn import Trainer", "from . import loss", "from ..training.loss import terms"]
)
def test_a_detour_is_found(tmp_path, line):
    path = tmp_path / "deqn" / "economy" / "model.py"
    path.parent.mkdir(parents=True)
    path.write_text(line)
    assert len(upward(tmp_path / "deqn")) == 1


def test_a_circle_is_found(tmp_path):
    folder = tmp_path / "deqn" / "economy"
    folder.mkdir(parents=True)
    (folder / "one.py").write_text("from deqn.economy import two")
    (folder / "two.py").write_text("from deqn.economy.three import f")
    (folder / "three.py").write_text("import deqn.economy.one")
    assert circles(tmp_path / "deqn") == ["deqn.economy.one", "deqn.economy.three", "deqn.economy.two"]
