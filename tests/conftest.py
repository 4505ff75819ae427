"""Shared by all tests: models from Python, and the two entry points as a user starts them."""

from __future__ import annotations

import atexit
import os
import runpy
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import deqn
from deqn.configuration.compose import compose
from deqn.disk.run_folder import RunFolder
from deqn.economy.probe import probe
from tests import warm

if (
    signal.getsignal(signal.SIGINT) == signal.SIG_IGN
):  # of a shell's background job: what the tests start would ignore Ctrl-C too
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parent.parent
# what is found out once on a machine is found out once a session, and nothing is left in the user's cache
os.environ["DEQN_CACHE_DIR"] = tempfile.mkdtemp(prefix="deqn-cache-")
atexit.register(shutil.rmtree, os.environ["DEQN_CACHE_DIR"], ignore_errors=True)
TF_PARITY = ROOT / "tests" / "data" / "tf_bm1972.npz"


# brock_mirman with four minibatches an episode and two passes: a hundredth of a second an episode
TINY = [
    "model=brock_mirman", "run.N_sim_batch=16", "run.N_episode_length=4", "run.N_minibatch_size=16",
    "run.N_epochs_per_episode=2", "net.layers.0.hidden.units=8", "net.layers.1.hidden.units=8",
]  # fmt: skip


def plain_environment(**changes: str) -> dict[str, str]:
    """The environment of a process that the tests start."""
    clean = {key: value for key, value in os.environ.items() if key != "USE_CONFIG_FROM_RUN_DIR"}
    return clean | {"OMP_NUM_THREADS": "1"} | changes


def with_tensorflow_weights(model: deqn.Model) -> np.lib.npyio.NpzFile:
    """Gives the network of bm1972 the weights of TF_PARITY; the numbers that the TensorFlow library computed with them."""
    stored = np.load(TF_PARITY)
    layers = [layer for layer in model.network.body if isinstance(layer, torch.nn.Linear)]
    with torch.no_grad():
        for i, layer in enumerate(layers):
            layer.weight.copy_(torch.tensor(stored[f"w{2 * i}"].T))
            layer.bias.copy_(torch.tensor(stored[f"w{2 * i + 1}"]))
    return stored


class Listener:
    """A watcher that keeps what it is told."""

    def __init__(self):
        self.messages, self.records, self.ends = [], [], {}

    def episode(self, record, state):
        self.records.append(record)

    def message(self, text):
        self.messages.append(text)


def train(path: Path | None, *overrides: str, starting_point: str = "NEW", watcher: Any = None) -> deqn.Trainer:
    """Trains a tiny run from Python, in a run folder or without one."""
    model = deqn.Model(compose([*TINY, *overrides]).config)
    probe(model)
    folder = None if path is None else RunFolder(path)
    trainer = deqn.Trainer(model, folder, watcher)
    if starting_point != "NEW":
        trainer.restore(starting_point)
    trainer.fit(quiet=True)
    return trainer


def assert_same(left: Any, right: Any, path: str = "") -> None:
    """Nested dictionaries and lists of tensors are equal bit for bit."""
    assert type(left) is type(right), path
    if isinstance(left, torch.Tensor):
        assert left.dtype == right.dtype, path
        assert torch.equal(left, right), path
    elif isinstance(left, dict):
        assert left.keys() == right.keys(), path
        for key, value in left.items():
            assert_same(value, right[key], f"{path}.{key}")
    elif isinstance(left, (list, tuple)):
        assert len(left) == len(right), path
        for i, (one, other) in enumerate(zip(left, right, strict=True)):
            assert_same(one, other, f"{path}[{i}]")
    else:
        assert left == right, path


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `python <script> <arguments>` in an empty folder, as a user would; returns the finished process."""

    def run(*arguments: str, script: str = "run_deepnet.py", **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [warm.python(), str(ROOT / script), *arguments],
            cwd=tmp_path,
            env=plain_environment(**environment),
            capture_output=True,
            text=True,
            timeout=300,
        )

    return run


@pytest.fixture
def answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Answer]:
    """What an entry point answers to a command line typed in `tmp_path`; in this process, which saves its start-up."""

    def ask(*arguments: str, script: str = "run_deepnet.py", **environment: str) -> Answer:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", [script, *arguments])
        monkeypatch.delenv("USE_CONFIG_FROM_RUN_DIR", raising=False)
        for key, value in environment.items():
            monkeypatch.setenv(key, value)
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(ROOT / script), run_name="__main__")
        out, err = capsys.readouterr()
        assert isinstance(end.value.code, int)
        return Answer(end.value.code, out, err)

    return ask


@dataclass(frozen=True)
class Answer:
    """How a process ended and what it printed."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run folder of three episodes of brock_mirman, trained by a real process; tests only read it."""
    return _run(tmp_path_factory.mktemp("brock_mirman"), *TINY, "run.N_episodes=3")


@pytest.fixture(scope="session")
def finished_bm1972(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run folder of three episodes of bm1972, trained by a real process; tests only read it."""
    return _run(tmp_path_factory.mktemp("bm1972"), "model=bm1972", "run.N_episodes=3")


def _run(cwd: Path, *arguments: str) -> Path:
    process = subprocess.run(
        [warm.python(), str(ROOT / "run_deepnet.py"), *arguments, "hydra.run.dir=run"],
        cwd=cwd,
        env=plain_environment(),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return cwd / "run"


def contents(folder: Path) -> dict[str, bytes | None]:
    """Every file of a folder with its bytes, every folder with None: to see that nothing was created or changed."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def own_model(folder: Path, **files: str | None) -> Path:
    """A MODELS_DIR with a copy of brock_mirman as `mine`; each file can be given anew (None leaves it out).

    Returns:
        the MODELS_DIR.
    """
    model = folder / "mine"
    model.mkdir(parents=True)
    for name in ("Calibration", "Definitions", "Dynamics", "Equations"):
        text = files.pop(name, (ROOT / "models" / "brock_mirman" / f"{name}.py").read_text(encoding="utf-8"))
        if text is not None:
            (model / f"{name}.py").write_text(text, encoding="utf-8")
    for name, text in files.items():
        if text is not None:
            (model / f"{name}.py").write_text(text, encoding="utf-8")
    return folder


def shipped(model: str, file: str) -> str:
    """Text of a file of a shipped model."""
    return (ROOT / "models" / model / f"{file}.py").read_text(encoding="utf-8")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)
