"""`tracker: my_module.MyTracker`: it is told of a run; what is wrong with it is said before, and never ends a training."""

from __future__ import annotations

import json
import sys
import types

import pytest

from tests.conftest import TINY
from tests.docs.blocks import ROOT, blocks, write

PAGE = ROOT / "docs" / "howto" / "trackers.md"
TRACKERS = {block.file: block for block in blocks(PAGE) if block.language == "python" and block.file}
RUN = [*TINY, "run.N_episodes=3", "hydra.run.dir=run"]


@pytest.fixture(autouse=True)
def _forgotten():
    """Modules of a test are not found by the next one."""
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name in ("mine", "wandb", "mlflow") or f"{name}.py" in TRACKERS:
            del sys.modules[name]


def test_the_class_of_the_page_is_told_of_each_episode_and_of_the_end(answer, tmp_path):
    write(TRACKERS["my_tracker.py"], tmp_path)
    assert answer(*RUN, "tracker=my_tracker.Lines").code == 0
    lines = [json.loads(line) for line in (tmp_path / "run" / "lines.json").read_text().splitlines()]
    assert [line.get("episode") for line in lines] == [1, 2, 3, None]
    assert lines[0].keys() >= {"loss", "net_loss", "dev_euler", "share_euler", "learning_rate", "step"}
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert lines[-1]["status"] == "finished"
    assert lines[-1]["accuracy"] == record["accuracy"]
    assert lines[-1]["verdict"]["ok"] == record["verdict"]["ok"]


class Service(types.ModuleType):
    """Stands for wandb and mlflow: notes what it is asked."""

    def __init__(self, name):
        super().__init__(name)
        self.calls, self.summary = [], self

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)

        def call(*arguments, **options):
            self.calls.append((name, arguments, options))
            return self

        return call


@pytest.mark.parametrize(
    ("module", "tracker", "asked"),
    [
        ("wandb", "to_wandb.Wandb", ["init", "log", "log", "log", "update", "finish"]),
        ("mlflow", "to_mlflow.MLflow", ["start_run", "log_dict", *["log_metrics"] * 3, "log_dict", "end_run"]),
    ],
)
def test_the_other_classes_of_the_page_ask_what_they_should(answer, tmp_path, monkeypatch, module, tracker, asked):
    service = Service(module)
    monkeypatch.setitem(sys.modules, module, service)
    write(TRACKERS[f"{tracker.split('.')[0]}.py"], tmp_path)
    ended = answer(*RUN, f"tracker={tracker}")
    assert ended.code == 0
    assert "given up" not in ended.out
    assert [name for name, _, _ in service.calls] == asked


@pytest.mark.parametrize("method", ["on_episode", "on_end"])
def test_one_that_fails_is_given_up_and_the_training_goes_on(answer, tmp_path, method):
    body = f"class T:\n    def __init__(self, folder, configuration): pass\n    def {method}(self, *_): raise OSError('no net')\n"
    (tmp_path / "mine.py").write_text(body)
    ended = answer(*RUN, "tracker=mine.T")
    assert ended.code == 0
    assert ended.out.count(f"tracker T is given up: {method} failed: OSError: no net. Training goes on.") == 1
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "finished"


@pytest.mark.parametrize(
    ("tracker", "body", "message"),
    [
        ("Mine", "", "expected a module and a class"),
        ("nowhere.Mine", "", "there is no module nowhere"),
        ("mine.Tracer", "class Tracker: pass\n", "mine has no Tracer. Did you mean Tracker?"),
        ("mine.T", "import not_there\n", "mine needs not_there, which is not installed"),
        ("mine.T", "1 / 0\n", "mine fails: ZeroDivisionError"),
        ("mine.T", "class T:\n    on_end = print\n", "T(folder, configuration) fails: TypeError"),
        ("mine.T", "class T: pass\n", "neither on_episode(episode, numbers) nor on_end"),
    ],
)
def test_a_class_that_cannot_be_made_is_said_before_anything_is_written(answer, tmp_path, tracker, body, message):
    (tmp_path / "mine.py").write_text(body)
    ended = answer(*RUN, f"tracker={tracker}")
    assert ended.code == 2
    assert message in " ".join(ended.err.split())
    assert not (tmp_path / "run").exists()
