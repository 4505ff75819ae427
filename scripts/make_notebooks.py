"""Runs the notebooks and writes them with their outputs: notebooks/<name>.py -> notebooks/<name>.ipynb.

    python scripts/make_notebooks.py                        all of them, about ten minutes
    python scripts/make_notebooks.py 01_first_solution      some of them

DEQN_NOTEBOOK_OVERRIDES="preset=smoke" makes them short. Needs `pip install -e ".[ks,notebooks]"`.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"
SECONDS = 3600  # of a cell
ANYWHERE = "/home/you"  # where outputs say that they were run


def names() -> list[str]:
    """The notebooks, in their order."""
    return sorted(path.stem for path in FOLDER.glob("[0-9]*.py"))


def read(name: str) -> nbformat.NotebookNode:
    """A notebook without outputs, from its source; numbers of its cells stay the same when it is read again."""
    notebook = jupytext.read(FOLDER / f"{name}.py")
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for i, cell in enumerate(notebook.cells):
        cell.id = f"cell-{i}"
    return notebook


def run(notebook: nbformat.NotebookNode, folder: str | Path) -> None:
    """Runs all cells in a folder; their outputs are then in the notebook.

    Raises:
        CellExecutionError: where a cell fails that has no tag `raises-exception`.
    """
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    resources = {"metadata": {"path": str(folder)}}
    client = NotebookClient(
        notebook, timeout=SECONDS, resources=resources, skip_cells_with_tag="skip-execution", coalesce_streams=True
    )
    client.execute()


def without_places(notebook: nbformat.NotebookNode, folder: str | Path) -> None:
    """Outputs do not say where they were made, nor when each cell ran."""
    places = {str(folder): ANYWHERE, str(Path(sys.executable).parent): f"{ANYWHERE}/.venv/bin"}
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            for holder in (output, output.get("data", {})):
                for key, value in holder.items():
                    if isinstance(value, str) and not key.startswith("image/"):
                        for place, name in places.items():
                            value = value.replace(place, name)
                        holder[key] = re.sub(r"\n+$", "\n", value)


def main() -> None:
    for name in sys.argv[1:] or names():
        notebook, began = read(name), time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            run(notebook, folder)
            without_places(notebook, folder)
        nbformat.write(notebook, FOLDER / f"{name}.ipynb")
        print(f"{name}: {time.perf_counter() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
