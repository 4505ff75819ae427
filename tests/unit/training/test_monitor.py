"""The terminal, TensorBoard and the error file."""

from __future__ import annotations

import io
import math
import re
import time

import pytest
from rich.console import Console
from rich.table import Table

import deqn
from deqn.configuration.compose import compose
from deqn.disk.run_folder import RunFolder
from deqn.economy.probe import probe
from deqn.errors import ModelError
from deqn.training.monitor import Monitor
from deqn.training.terminal import tell_of_calibration
from deqn.training.trainer import Trainer
from deqn.training.writer import NoWriter
from tests.conftest import TINY, own_model, shipped

HOOK = """
import Parameters


def cycle_hook(state, i):
    Parameters.summary.add_scalar("own", i, i)
    print("hook", i, tuple(state.shape), Parameters.LOG_DIR)
"""


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """(run folder, terminal output, records) of three episodes on a terminal that is a file."""
    folder = tmp_path_factory.mktemp("run")
    models = own_model(folder / "models", Hooks=HOOK)
    overrides = ["MODEL_NAME=mine", f"MODELS_DIR={models}", "run.N_episodes=3"]
    policy = "variables.policies=[{name: s, bounds: {lower: 0.45, upper: 0.99}}]"
    model = deqn.Model(compose([*TINY, *overrides, policy]).config)
    report = probe(model)
    console = Console(file=io.StringIO(), width=120, soft_wrap=True, highlight=False)
    monitor = Monitor(model, RunFolder(folder), console)
    records = []

    class Both:
        def episode(self, record, state):
            records.append(record)
            monitor.episode(record, state)

        message = staticmethod(monitor.message)

    trainer = Trainer(model, RunFolder(folder), Both())
    monitor.start(report)
    with monitor:
        trainer.fit()
    return folder, console.file.getvalue(), records


def test_the_header_has_versions_device_seed_and_size(watched):
    for fragment in ("deqn mine", "python 3.", "torch", "device", "float32", "seed 0", "105 parameters"):
        assert fragment in watched[1]


def test_the_table_has_variables_bounds_equations_and_shocks(watched):
    for fragment in (
        "K ",
        "uniform(minval=K_low, maxval=K_high)",
        "0.45 .. 0.99",
        "euler",
        "5 nodes",
        "probabilities add up to 1",
    ):
        assert fragment in watched[1]


def test_plain_lines_show_loss_error_speed_and_time_left(watched):
    line = r"ep 3/3 loss \d\.\de[+-]\d\d \| log10 Euler error -?\d+\.\d \| \d+ steps/s \| eta 0:00"
    assert re.search(line, watched[1])


def shown(tmp_path, *overrides, width=80, terminal=False, **files):
    """What two episodes of a model with these files print, and its run folder."""
    models = own_model(tmp_path / "models", **files)
    arguments = [*TINY, "MODEL_NAME=mine", f"MODELS_DIR={models}", "run.N_episodes=2", *overrides]
    model = deqn.Model(compose(arguments).config)
    report = probe(model)
    console = Console(file=io.StringIO(), width=width, force_terminal=terminal, highlight=False, color_system=None)
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir(exist_ok=True)
    monitor = Monitor(model, folder, console)
    monitor.start(report)
    with monitor:
        Trainer(model, None, monitor).fit()
    return console.file.getvalue()


MOSTLY_ZERO = """
import Parameters
import PolicyState
import State


def equations(state, policy_state):
    return {"euler": PolicyState.s(policy_state) * (State.z(state) > 0.5 * Parameters.sd_z)}
"""


def test_a_residual_that_is_zero_in_the_median_state_is_shown_as_zero(tmp_path):
    """Zero has no logarithm."""
    assert re.search(r"\| Euler error 0 \| \d+ steps/s", shown(tmp_path, width=120, Equations=MOSTLY_ZERO))


PROGRESS = """
import State


def cycle_hook(state, i):
    pass


def progress(state):
    return {"mean K": State.K(state).mean()}
"""


def test_the_line_of_progress_fits_a_terminal_of_80_columns(tmp_path):
    text = shown(tmp_path, terminal=True, Hooks=PROGRESS)
    last = re.split(r"[\r\n]", text.rstrip().removesuffix("\x1b[?25h").rstrip())[-1]
    line = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", last)
    for fragment in ("2/2 loss", "log10 Euler error", "steps/s", "eta 0:00"):
        assert fragment in line
    assert re.search(r"mean K \d", line)
    assert len(line.rstrip()) <= 80


def test_a_models_own_numbers_end_the_line_of_progress(tmp_path):
    assert re.search(r"eta 0:00 \| mean K \d+\.\d+", shown(tmp_path, width=200, Hooks=PROGRESS))


def test_progress_that_fails_is_an_error_of_the_model(tmp_path):
    hooks = PROGRESS.replace("State.K(state).mean()", "1 / 0")
    with pytest.raises(ModelError, match=r"mine/Hooks.py:\d+: progress\(state\) failed: ZeroDivisionError"):
        shown(tmp_path, Hooks=hooks)


def test_constants_network_and_optimizer_are_shown_at_the_start(watched):
    assert "constants: alpha 0.36, beta 0.96" in watched[1]
    assert "network: 2 states -> 8 silu -> 8 silu -> 1 linear" in watched[1]
    assert "optimizer: Adam, learning rate" in watched[1]


def test_one_of_a_thing_is_singular(tmp_path):
    text = shown(tmp_path, "run.threads=1", "run.N_episode_length=1", "constants.n_nodes=1", width=200)
    for fragment in ("(1 thread)", "x 1 period,", "1 node "):
        assert fragment in text


def test_a_slow_calibration_is_said_and_how_long_it_took(tmp_path, monkeypatch):
    monkeypatch.setattr("deqn.training.terminal._SILENT", 0.01)
    console = Console(file=io.StringIO(), width=200)
    (tmp_path / "Calibration.py").write_text("")
    with tell_of_calibration(console, tmp_path):
        time.sleep(0.2)
    assert re.search(r"at work .*done after 0\.\d s", console.file.getvalue(), re.DOTALL)


def test_the_error_file_has_a_line_an_epoch_with_each_number_named_for_what_it_is(watched):
    folder, _, records = watched
    lines = (folder / "error_file.txt").read_text().splitlines()
    assert len(lines) == 6
    pattern = r"MSE:\s+(\S+)\s+RMSE:\s+(\S+)\s+MSE_no_penalty:\s+(\S+)\s+RMSE_no_penalty:\s+(\S+)"
    for line, (mse, net) in zip(lines, (e for r in records for e in r.epochs), strict=True):
        numbers = [float(x) for x in re.fullmatch(pattern, line).groups()]
        assert numbers == pytest.approx([mse, math.sqrt(mse), net, math.sqrt(net)], rel=1e-5)


def test_the_reported_error_is_a_mean_over_states(watched):
    """loss of a minibatch / its states, over the steps of an epoch; the loss has one equation and a penalty."""
    record = watched[2][0]
    per_state = sum(loss for loss, _ in record.epochs) / 2
    assert record.scalars["loss"] == pytest.approx(per_state, rel=1e-5)
    assert record.scalars["dev_euler"] == pytest.approx(record.scalars["net_loss"], rel=1e-5)


def test_penalties_are_reported_beside_the_deviations(watched):
    record = watched[2][0]
    penalty = record.scalars["penalty_lower_policy_s"] + record.scalars["penalty_upper_policy_s"]
    assert penalty > 0
    assert record.scalars["loss"] - record.scalars["net_loss"] == pytest.approx(penalty, rel=1e-4)


def test_tensorboard_has_scalars_histograms_and_what_the_hook_writes(watched):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (file,) = watched[0].glob("events.out.tfevents.*.deqn")
    events = EventAccumulator(str(file), size_guidance={"histograms": 0}).Reload()
    scalars, histograms = set(events.Tags()["scalars"]), set(events.Tags()["histograms"])
    assert {
        "loss",
        "net_loss",
        "dev_euler",
        "penalty_lower_policy_s",
        "learning_rate",
        "steps_per_second",
        "own",
    } <= scalars
    assert {f"hist_{name}" for name in ("K", "z", "s", "Y", "I", "C", "K_next", "R")} <= histograms
    assert [event.step for event in events.Scalars("loss")] == [8, 16, 24]
    assert [event.step for event in events.Histograms("hist_K")] == [8, 16, 24]
    assert [event.value for event in events.Scalars("episode")] == [1, 2, 3]


def test_tensorboard_has_means_a_state_by_gradient_step_and_bins_over_the_range(watched):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder, _, records = watched
    (file,) = folder.glob("events.out.tfevents.*.deqn")
    events = EventAccumulator(str(file), size_guidance={"histograms": 0}).Reload()
    for name, of_mean in (("loss", lambda x: x), ("log10_loss", math.log10)):
        values = [event.value for event in events.Scalars(name)]
        means = [sum(loss for loss, _ in record.epochs) / len(record.epochs) for record in records]
        assert values == pytest.approx([of_mean(mean) for mean in means], rel=1e-4)
    deviation = [math.log10(event.value) / 2 for event in events.Scalars("dev_euler")]
    assert [event.value for event in events.Scalars("log10_euler")] == pytest.approx(deviation, rel=1e-4)
    assert [(event.step, event.value) for event in events.Scalars("episode")] == [(8, 1), (16, 2), (24, 3)]
    histograms = events.Histograms("hist_K")
    assert [event.step for event in histograms] == [8, 16, 24]
    assert all(sum(n > 0 for n in event.histogram_value.bucket) > 4 for event in histograms)


@pytest.mark.parametrize("first", [1, 0])
def test_the_hook_gets_the_states_and_the_number_of_each_episode(capsys, tmp_path, first):
    models = own_model(tmp_path / "models", Hooks=HOOK)
    own = ["MODEL_NAME=mine", f"MODELS_DIR={models}", "run.N_episodes=2", f"run.hook_counts_from={first}"]
    model = deqn.Model(compose([*TINY, *own]).config)
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    monitor = Monitor(model, folder, Console(file=io.StringIO()))
    with monitor:
        Trainer(model, None, monitor).fit()
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("hook")]
    assert lines == [f"hook {i} (16, 2) {folder.path}" for i in (first, first + 1)]


def test_a_hook_that_fails_is_an_error_and_no_remark(tmp_path):
    models = own_model(tmp_path / "models", Hooks="def cycle_hook(state, i):\n    raise ValueError('in the hook')\n")
    model = deqn.Model(compose([*TINY, "MODEL_NAME=mine", f"MODELS_DIR={models}"]).config)
    folder = RunFolder(tmp_path)
    trainer = Trainer(model, folder, Monitor(model, folder, Console(file=io.StringIO())))
    with pytest.raises(ModelError, match=r"mine/Hooks.py:2: cycle_hook\(state, i\) failed: ValueError: in the hook"):
        trainer.fit()
    assert trainer.saver.checkpoints.names() == ["ckpt-1"]  # the episode before the hook is not lost


def test_post_init_runs_once_before_the_first_episode(tmp_path, capsys):
    hooks = "def post_init():\n    print('post_init')\n\n\ndef cycle_hook(state, i):\n    pass\n"
    models = own_model(tmp_path / "models", Hooks=hooks)
    overrides = [*TINY, "MODEL_NAME=mine", f"MODELS_DIR={models}"]

    def fit(episodes: int, starting_point: str) -> None:
        model = deqn.Model(compose([*overrides, f"run.N_episodes={episodes}"]).config)
        trainer = Trainer(model, RunFolder(tmp_path / "run"))
        if starting_point != "NEW":
            trainer.restore(starting_point)
        trainer.fit(quiet=True)

    fit(2, "NEW")
    fit(4, "LATEST")
    assert capsys.readouterr().out == "post_init\n"


def test_an_episode_that_is_trained_again_after_a_rollback_has_a_line(tmp_path, monkeypatch):
    """Of a resumed run, which then has gone back behind the episode at which it began to count."""
    monkeypatch.setattr(Monitor, "seconds_between_lines", -1.0)
    model = deqn.Model(compose([*TINY, "run.N_episodes=3"]).config)
    probe(model)
    console = Console(file=io.StringIO(), width=120)
    monitor = Monitor(model, RunFolder(tmp_path), console)
    monitor._first_episode = 3
    Trainer(model, RunFolder(tmp_path), monitor).fit()
    assert console.file.getvalue().count("| eta") == 3


def test_a_process_that_writes_nothing_has_a_writer_that_takes_everything():
    NoWriter().add_scalar("loss", 1.0, 1)
    NoWriter().flush()


def test_states_that_are_left_out_are_remarked(tmp_path):
    model = deqn.Model(compose([*TINY, "run.N_minibatch_size=30"]).config)
    console = Console(file=io.StringIO(), width=200)
    Monitor(model, RunFolder(tmp_path), console).start(probe(model))
    assert "4 of 64 states an episode are left out" in console.file.getvalue()


def test_sorted_minibatches_that_cross_trajectories_are_remarked(tmp_path):
    model = deqn.Model(compose([*TINY, "run.sorted_within_batch=true"]).config)
    console = Console(file=io.StringIO(), width=200)
    Monitor(model, RunFolder(tmp_path), console).start(probe(model))
    assert "minibatches cross trajectories" in console.file.getvalue()


def test_square_brackets_of_names_paths_notes_and_lines_are_shown_as_they_are(tmp_path):
    equations = shipped("brock_mirman", "Equations") + "\n\n_euler = equations\n\n\ndef equations(state, policy_state):\n" \
        "    return {'euler [/C]': _euler(state, policy_state)['euler'], 'euler[low]': policy_state[:, 0]}\n"  # fmt: skip
    models = own_model(tmp_path / "models", Equations=equations)
    model = deqn.Model(compose([*TINY, "MODEL_NAME=mine", f"MODELS_DIR={models}"]).config)
    path = tmp_path / "run[red]"
    path.mkdir()
    console = Console(file=io.StringIO(), width=300)
    monitor = Monitor(model, RunFolder(path), console)
    report = probe(model)
    report.notes.append("K[1] and [x]")
    monitor.start(report)
    monitor.message("z[low]")
    accuracy = Table("row[a]")
    accuracy.add_row("c [/d]")
    for ok in (True, False):
        monitor.close(accuracy, ["within 1e-3 [/year]"], ["residual[b] [1]"], ok)
    shown = console.file.getvalue()
    for text in ("euler [/C]", "euler[low]", f"run folder: {path}", "note: K[1] and [x]", "note z[low]", "row[a]", "c [/d]",
                 "within 1e-3 [/year]", "\nresidual[b] [1]", "warning residual[b] [1]", f"--logdir '{path}'"):  # fmt: skip
        assert text in shown
