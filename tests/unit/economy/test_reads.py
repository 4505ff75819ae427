"""deqn/economy/reads.py and what calibration.py makes of it: what a calibration was computed from is what is there now."""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys

import numpy as np
import pandas as pd
import pytest

import deqn
from deqn.economy.calibration import keep
from deqn.economy.reads import fingerprint, listen
from tests.conftest import own_model

READING = """
import os
from pathlib import Path

import numpy as np

{imports}

here = Path(__file__).parent
data = Path({data!r})


def calibrate(constants):
    with open(here / "calls.txt", "a") as file:
        file.write("x")
    {read}
    return {{"n": float(n), "K_low": 0.1, "K_high": 0.4, "sd_z": 0.1}}
"""
ONE = "n = float(data.read_text())"


class Mine:
    """A model whose Calibration.py reads the file `data` in another folder, by the code that a test gives."""

    def __init__(self, path, read=ONE, imports=""):
        self.data = path / "elsewhere" / "data.csv"
        self.data.parent.mkdir(parents=True)
        self.data.write_text("3\n")
        text = READING.format(imports=imports, data=str(self.data), read=read)
        self.models = own_model(path / "models", Calibration=text)

    def start(self):
        """One start, with the calibration kept for the next; n, and what is said."""
        model = deqn.load_model("brock_mirman", ["MODEL_NAME=mine", f"MODELS_DIR={self.models}"], check=False)
        keep(model.calibrated, model.folder, model.config.constants)
        return model.calibration["n"], " ".join(model.calibrated.notes)

    @property
    def calls(self):
        return len((self.models / "mine" / "calls.txt").read_text())


HEARD = {
    "open": "n = float(open(data).read())",
    "pathlib": ONE,
    "os.open": "n = float(os.read(os.open(data, os.O_RDONLY), 9))",
    "np.loadtxt": "n = np.loadtxt(data)",
    "np.genfromtxt": "n = np.genfromtxt(data)",
    "np.fromfile": "n = np.fromfile(data, sep=' ')[0]",
    "np.memmap": "n = float(bytes(np.memmap(data, mode='r')))",
    "pandas.read_csv": "import pandas; n = pandas.read_csv(data, header=None).iloc[0, 0]",
    "a thread": "from concurrent.futures import ThreadPoolExecutor as T; n = next(T().map(float, map(Path.read_text, [data])))",
}


@pytest.mark.parametrize("read", HEARD.values(), ids=HEARD.keys())
def test_a_file_that_was_read_and_has_changed_is_read_again(tmp_path, read):
    mine = Mine(tmp_path, read)
    assert [mine.start()[0], mine.start()[0], mine.calls] == [3, 3, 1]
    mine.data.write_text("4\n")
    n, said = mine.start()
    assert n == 4
    assert said == f"mine/Calibration.py was run anew: {mine.data} has changed."
    assert mine.start() == (4, "")


@pytest.mark.parametrize(
    ("save", "read"),
    [(lambda path, n: np.save(path, n), "np.load"), (lambda path, n: np.savez(path, n=n), "lambda path: np.load(path)['n']"),
     (lambda path, n: pd.Series([n]).to_pickle(path), "lambda path: __import__('pandas').read_pickle(path)[0]")],
    ids=["npy", "npz", "pickle"],
)  # fmt: skip
def test_a_binary_file_is_heard_too(tmp_path, save, read):
    mine = Mine(tmp_path, f"n = ({read})(here.parent / 'data')")
    for n in (3, 4):
        with (mine.models / "data").open("wb") as file:
            save(file, n)
        assert mine.start()[0] == n


def test_a_database_is_heard_too(tmp_path):
    mine = Mine(tmp_path, "import sqlite3; n = sqlite3.connect(data).execute('select n from t').fetchone()[0]")
    for n in (3, 4):
        mine.data.unlink()
        with sqlite3.connect(mine.data) as database:
            database.execute("create table t (n)")
            database.execute("insert into t values (?)", (n,))
        database.close()
        assert mine.start()[0] == n


def test_a_file_that_is_gone_is_said_to_be(tmp_path):
    mine = Mine(tmp_path, "n = float(data.read_text()) if data.exists() else 5.0")
    mine.start()
    mine.data.unlink()
    assert mine.start() == (5, f"mine/Calibration.py was run anew: {mine.data} is gone.")


def test_a_file_that_was_looked_for_and_is_there_now_is_read(tmp_path):
    mine = Mine(tmp_path, "try:\n        n = float(open(data).read())\n    except FileNotFoundError:\n        n = 5")
    mine.data.unlink()
    assert mine.start()[0] == 5
    mine.data.write_text("6")
    assert mine.start()[0] == 6


@pytest.mark.parametrize("listed", ["data.parent.glob('*.csv')", "os.listdir(data.parent)", "os.scandir(data.parent)"])
def test_a_file_that_is_new_in_a_folder_that_was_listed_is_seen(tmp_path, listed):
    mine = Mine(tmp_path, f"n = len(list({listed}))")
    assert mine.start()[0] == 1
    (mine.data.parent / "more.csv").touch()
    assert mine.start()[0] == 2


def test_a_copy_of_the_model_reads_its_own_files(tmp_path):
    mine = Mine(tmp_path, "n = float((here / 'data.csv').read_text())")
    (mine.models / "mine" / "data.csv").write_text("3")
    mine.start()
    shutil.copytree(mine.models, tmp_path / "copy")
    (tmp_path / "copy" / "mine" / "data.csv").write_text("4")
    mine.models = tmp_path / "copy"
    assert mine.start()[0] == 4


def test_a_relative_path_is_that_of_the_working_directory(tmp_path, monkeypatch):
    mine = Mine(tmp_path, "n = float(Path('data.csv').read_text())")
    monkeypatch.chdir(mine.data.parent)
    mine.start()
    (tmp_path / "data.csv").write_text("4")
    monkeypatch.chdir(tmp_path)
    assert mine.start()[0] == 4


def test_what_it_writes_itself_is_no_input(tmp_path):
    read = "(here / 'x.txt').write_text('3'); (here / 'x.txt').replace(here / 'y.txt'); n = float((here / 'y.txt').read_text())"
    mine = Mine(tmp_path, read)
    mine.start()
    (mine.models / "mine" / "y.txt").write_text("8")
    assert mine.start() == (3, "")
    assert mine.calls == 1


def test_a_file_that_is_changed_after_it_was_read_is_not_relied_on(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("3")
    with listen() as reads:
        path.read_text()
    path.write_text("an editor was faster than the calibration")
    reads.finish([], [])
    assert reads.unknown == f"{path} has changed meanwhile"


MODULE = "from pathlib import Path\n\nvalue = {value}\n"


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """A folder of the user's modules, elsewhere; none of them is left in this process."""
    folder = tmp_path / "modules"
    (folder / "pack_xyz").mkdir(parents=True)
    (folder / "pack_xyz" / "__init__.py").touch()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield folder
    forget()


def forget():
    for name in [name for name in sys.modules if name.endswith("_xyz") or name.startswith("pack_xyz")]:
        del sys.modules[name]


IMPORTS = {
    "import": ("import helper_xyz", "helper_xyz.py", "n = helper_xyz.value"),
    "from": ("from helper_xyz import value", "helper_xyz.py", "n = value"),
    "in a function": ("", "helper_xyz.py", "import helper_xyz; n = helper_xyz.value"),
    "of a package": ("from pack_xyz import inner", "pack_xyz/inner.py", "n = inner.value"),
    "with dots": ("import pack_xyz.inner", "pack_xyz/inner.py", "n = pack_xyz.inner.value"),
}


@pytest.mark.parametrize("loaded", [False, True], ids=["fresh", "already in sys.modules"])
@pytest.mark.parametrize(("statement", "file", "use"), IMPORTS.values(), ids=IMPORTS.keys())
def test_a_module_elsewhere_that_has_changed_is_run_again(tmp_path, modules, statement, file, use, loaded):
    mine = Mine(tmp_path, use, statement)
    (modules / file).write_text(MODULE.format(value=3))
    if loaded:
        __import__(file.removesuffix(".py").replace("/", "."))
    assert [mine.start()[0], mine.start()[0], mine.calls] == [3, 3, 1]
    (modules / file).write_text(MODULE.format(value=40))
    forget()  # as in another process
    n, said = mine.start()
    assert n == 40
    assert f"{modules / file} has changed" in said


@pytest.mark.parametrize("loaded", [False, True], ids=["fresh", "already in sys.modules"])
def test_a_module_that_a_module_imports_counts(tmp_path, modules, loaded):
    mine = Mine(tmp_path, "n = outer_xyz.value", "import outer_xyz")
    (modules / "outer_xyz.py").write_text("from pack_xyz.next import value\n")
    (modules / "pack_xyz" / "next.py").write_text("from .last import value\n")
    (modules / "pack_xyz" / "last.py").write_text(MODULE.format(value=3))
    if loaded:
        __import__("outer_xyz")
    assert mine.start()[0] == 3
    (modules / "pack_xyz" / "last.py").write_text(MODULE.format(value=40))
    forget()
    assert mine.start()[0] == 40


def test_what_a_module_has_read_when_it_was_imported_counts_in_every_run_of_a_sweep(tmp_path, modules):
    """The second run of a process finds the module imported: its data file is not opened again."""
    text = "value = float((Path(__file__).parent / 'data.csv').read_text())"
    (modules / "data.csv").write_text("3")
    (modules / "helper_xyz.py").write_text(f"from pathlib import Path\n\n{text}\n")
    first, second = (Mine(tmp_path / name, "n = helper_xyz.value", "import helper_xyz") for name in ("one", "two"))
    assert first.start()[0] == second.start()[0] == 3
    (modules / "data.csv").write_text("4")
    forget()
    assert second.start()[0] == second.start()[0] == 4
    assert second.calls == 2


UNKNOWN = {
    "a program": ("import subprocess; n = int(subprocess.check_output(['echo', '3']))", "it starts another program"),
    "a shell": ("n = 3 + os.system('true')", "it starts another program"),
    "a fork": ("import multiprocessing as m; n = m.get_context('fork').Pool(1).map(abs, [3])[0]", "it starts another program"),
    "a spawn": ("import multiprocessing as m; n = m.get_context('spawn').Pool(1).map(abs, [3])[0]", "it starts another program"),
    "a socket": (
        "import socket; a, b = socket.socket(), socket.socket(); b.bind(('127.0.0.1', 0)); b.listen(); "
        "a.connect(b.getsockname()); n = 3", "it uses the network",
    ),
    "a library that opens files by itself": ("n = 3\n    if n > 3:\n        import h5py", "h5py may read files"),
    "HDF by pandas": ("n = 3\n    if n > 3:\n        __import__('pandas').read_hdf(data)", "read_hdf may read files"),
    "a URI": ("import sqlite3; sqlite3.connect('file::memory:', uri=True); n = 3", "it opens a database by a URI"),
    "a pipe": ("os.mkfifo('p'); f = os.open('p', os.O_RDONLY | os.O_NONBLOCK); n = 3", "p is no file that can be read twice"),
}  # fmt: skip


@pytest.mark.parametrize(("read", "why"), UNKNOWN.values(), ids=UNKNOWN.keys())
def test_nothing_is_kept_where_it_cannot_be_known_what_was_read(tmp_path, monkeypatch, read, why):
    monkeypatch.chdir(tmp_path)
    mine = Mine(tmp_path, read)
    n, said = mine.start()
    assert n == 3
    assert said.startswith(f"mine/Calibration.py is run at every start, since {why}")
    assert not list((mine.models / "mine").glob("__pycache__/calibration-*"))


def test_what_a_library_does_when_it_is_imported_is_its_own_business(tmp_path, modules, monkeypatch):
    """Numba reads /proc/cpuinfo, others ask `uname`."""
    library = modules / "site-packages"
    library.mkdir()
    (library / "library_xyz.py").write_text(
        "import os\n\nos.system('true')\nopen(os.path.join(os.path.dirname(__file__), '..', 'settings.txt')).close()\nvalue = 3\n"
    )
    (modules / "settings.txt").touch()
    monkeypatch.syspath_prepend(library)
    mine = Mine(tmp_path, "n = library_xyz.value", "import library_xyz")
    assert [mine.start(), mine.start(), mine.calls] == [(3, ""), (3, ""), 1]


def test_a_calibration_that_reads_nothing_lists_nothing(tmp_path):
    mine = Mine(tmp_path, "n = 3")
    mine.start()
    (kept,) = (mine.models / "mine" / "__pycache__").glob("calibration-*.npz")
    with np.load(kept) as stored:
        assert json.loads(str(stored["what was read"]))["files"] == {}


def test_a_result_of_before_it_was_noted_what_was_read_is_not_taken(tmp_path):
    mine = Mine(tmp_path)
    mine.start()
    (kept,) = (mine.models / "mine" / "__pycache__").glob("calibration-*.npz")
    np.savez(kept, n=7.0, K_low=0.1, K_high=0.4, sd_z=0.1)
    assert mine.start()[0] == 3


def test_nothing_is_heard_afterwards(tmp_path):
    with listen() as reads:
        pass
    (tmp_path / "a").write_text("x")
    (tmp_path / "a").read_text()
    reads.finish([], [])
    assert reads.files == {}


def test_the_fingerprint_of_what_is_not_there_is_empty(tmp_path):
    assert fingerprint(str(tmp_path / "none")) == fingerprint("a\0b") == ""
