"""Exact restart, gradient steps, and what stops a run."""

from __future__ import annotations

import pytest
import torch

import deqn
from deqn.configuration.compose import compose
from deqn.disk.checkpoint import Checkpoints
from deqn.disk.run_folder import RunFolder
from deqn.economy.probe import probe
from deqn.errors import CheckpointError, SaveError, TrainingError
from deqn.training import loss
from deqn.training.trainer import Trainer
from tests.conftest import TINY, assert_same, own_model, shipped, train

DROPOUT = ["++net.layers.1.hidden.dropout_rate=0.2"]
COSINE = ["optimizer.schedule_kwargs={decay_steps: 48, alpha: 0.01}"]
ONE_CYCLE = [
    "optimizer.learning_rate_schedule=OneCycleLR",
    "optimizer.schedule_kwargs={max_lr: 0.01, total_steps: 60}",
]
MULTI_STEP = ["optimizer.learning_rate_schedule=MultiStepLR", "optimizer.schedule_kwargs={milestones: [10, 30]}"]
VARIANTS = {
    "several minibatches": COSINE,
    "dropout": [*COSINE, *DROPOUT],
    "batch normalisation": [*COSINE, "++net.layers.1.hidden.batch_normalize={momentum: 0.9}"],
    "cosine decay": ["optimizer.schedule_kwargs={decay_steps: 20}"],
    "no schedule": ["optimizer.learning_rate_schedule=null", "optimizer.schedule_kwargs={}"],
    "PyTorch's OneCycleLR": ONE_CYCLE,
    "PyTorch's MultiStepLR": MULTI_STEP,
    "SGD with momentum": [*COSINE, "optimizer.optimizer=SGD", "optimizer.optimizer_kwargs={momentum: 0.9}"],
    "states drawn anew": [*COSINE, "initialize_each_episode=true"],
    "sorted minibatches": [*COSINE, "run.sorted_within_batch=true"],
    "pseudo-random expectations": [*COSINE, "run.expectation_type=pseudo_random"],
    "an episode in pieces": [*COSINE, *DROPOUT, "run.N_states_held=32", "run.expectation_type=pseudo_random"],
    "float64": [*COSINE, "run.keras_precision=float64"],
}


@pytest.mark.parametrize("overrides", VARIANTS.values(), ids=VARIANTS.keys())
def test_three_episodes_and_three_more_equal_six_bit_for_bit(tmp_path, overrides):
    whole = train(tmp_path / "whole", "run.N_episodes=6", *overrides)
    train(tmp_path / "parts", "run.N_episodes=3", *overrides)
    parts = train(tmp_path / "parts", "run.N_episodes=6", *overrides, starting_point="LATEST")
    assert parts.state.step == 48
    assert_same(parts.state.payload(), whole.state.payload())


def test_a_run_in_a_folder_equals_one_without(tmp_path):
    assert_same(train(None, "run.N_episodes=2").state.payload(), train(tmp_path, "run.N_episodes=2").state.payload())


def test_another_seed_gives_another_network():
    first, second = (train(None, "run.N_episodes=1", f"seed={seed}").model for seed in (1, 2))
    assert not torch.equal(next(first.network.parameters()), next(second.network.parameters()))


def test_an_interrupted_episode_is_simulated_anew_to_the_same_end(tmp_path):
    overrides = ["run.N_episodes=6", *DROPOUT]
    whole = train(tmp_path / "whole", *overrides)

    class StopInside:
        """Sets the signal as a signal handler would, in the middle of the fourth episode."""

        def episode(self, record, state):
            if record.episode == 3:
                step = trainer.step

                def stop(batch):
                    trainer.signals.received = 15
                    return step(batch)

                trainer.step = stop

        def message(self, text):
            raise AssertionError(text)

    model = deqn.Model(compose([*TINY, *overrides]).config)
    probe(model)  # chooses how expectations are evaluated, which moves the last bits
    trainer = Trainer(model, RunFolder(tmp_path / "parts"), StopInside())
    assert trainer.fit().episode == 3
    parts = train(tmp_path / "parts", *overrides, starting_point="LATEST")
    assert_same(parts.state.payload(), whole.state.payload())


def test_an_interrupted_run_without_a_folder_keeps_its_last_episode():
    trainer = Trainer(deqn.Model(compose([*TINY, "run.N_episodes=3"]).config))
    trainer.episode()
    before = trainer.state.payload()
    trainer.signals.received = 15
    trainer.fit()
    assert_same(trainer.state.payload(), before)
    trainer.signals.received = None
    step = trainer.step

    def stop(batch):
        trainer.signals.received = 2
        return step(batch)

    trainer.step = stop
    trainer.fit()
    assert_same(trainer.state.payload(), before)


def test_a_resumed_run_ends_where_the_configuration_says(tmp_path):
    train(tmp_path, "run.N_episodes=3")
    assert train(tmp_path, "run.N_episodes=3", starting_point="LATEST").state.episode == 3


def test_going_on_from_an_earlier_checkpoint_replaces_the_later_ones(tmp_path):
    """LATEST must be the newest of the path that is followed, not of the one that was left."""
    train(tmp_path, "run.N_episodes=5")
    other = train(tmp_path, "run.N_episodes=4", "optimizer.learning_rate=1e-5", starting_point="ckpt-2")
    checkpoints = Checkpoints(tmp_path)
    assert checkpoints.names() == ["ckpt-1", "ckpt-2", "ckpt-3", "ckpt-4"]
    assert_same(checkpoints.load("LATEST")[0]["policy"], dict(other.state.payload()["policy"]))
    assert (tmp_path / "ckpt" / "ckpt-5.pt.old").is_file()


def test_a_damaged_checkpoint_is_replaced_after_falling_back(tmp_path):
    train(tmp_path, "run.N_episodes=3")
    (tmp_path / "ckpt" / "ckpt-3.pt").write_bytes(b"")
    train(tmp_path, "run.N_episodes=3", starting_point="LATEST")
    assert Checkpoints(tmp_path).load("ckpt-3")[0]["episode"] == 3


def test_checkpoints_follow_the_interval_and_the_end(tmp_path):
    train(tmp_path, "run.N_episodes=5", "CHECKPOINT_INTERVAL=2")
    assert Checkpoints(tmp_path).names() == ["ckpt-2", "ckpt-4", "ckpt-5"]


def test_only_the_newest_checkpoints_are_kept(tmp_path):
    train(tmp_path, "run.N_episodes=5", "MAX_TO_KEEP_NUMBER=2")
    assert Checkpoints(tmp_path).names() == ["ckpt-4", "ckpt-5"]


def test_a_lower_learning_rate_after_a_restart_is_used_and_its_schedule_goes_on(tmp_path):
    schedule = "optimizer.schedule_kwargs={decay_steps: 48}"
    train(tmp_path, "run.N_episodes=3", "optimizer.learning_rate=0.004", schedule)
    model = deqn.Model(compose([*TINY, "optimizer.learning_rate=0.002", schedule]).config)
    trainer = Trainer(model, RunFolder(tmp_path))
    trainer.restore("LATEST")
    assert trainer.state.optimizer.param_groups[0]["lr"] == pytest.approx(0.001)  # half of the cosine at step 24 of 48


def test_a_checkpoint_of_another_network_is_refused_with_both_descriptions(tmp_path):
    train(tmp_path, "run.N_episodes=1")
    with pytest.raises(CheckpointError, match=r"network 2x8x8x1 .*\n.*network 2x9x8x1 ") as error:
        train(tmp_path, "net.layers.0.hidden.units=9", starting_point="LATEST")
    assert "USE_CONFIG_FROM_RUN_DIR" in str(error.value)


def test_a_checkpoint_of_another_model_is_refused_with_both_names(tmp_path):
    train(tmp_path, "run.N_episodes=1")
    trainer = Trainer(deqn.load_model("bm1972"), RunFolder(tmp_path))
    with pytest.raises(CheckpointError, match=r"(?s)model brock_mirman, states \(K, z\).*model bm1972, states \(K_t\)"):
        trainer.restore("LATEST")


def test_a_checkpoint_of_another_precision_is_refused(tmp_path):
    train(tmp_path, "run.N_episodes=1")
    with pytest.raises(CheckpointError, match="float32") as error:
        train(tmp_path, "run.keras_precision=float64", starting_point="LATEST")
    assert "float64" in str(error.value)


def test_a_changed_model_file_is_remarked_after_a_restart(tmp_path):
    train(tmp_path, "run.N_episodes=1")
    trainer = Trainer(deqn.Model(compose(TINY).config), RunFolder(tmp_path))
    trainer.saver.header["model_files"] = "another"
    assert any("have changed since ckpt-1" in line for line in trainer.restore("LATEST"))


# -- one step ---------------------------------------------------------------------------------------------------------


def test_clipvalue_cuts_each_entry_of_the_gradient():
    """With plain gradient descent at rate 1 and clipvalue c, no parameter moves further than c."""
    model = deqn.Model(
        compose(
            [*TINY, "optimizer.optimizer=SGD", "optimizer.learning_rate=1.0", "optimizer.clipvalue=1e-3",
             "optimizer.learning_rate_schedule=null", "optimizer.schedule_kwargs={}"]
        ).config
    )  # fmt: skip
    trainer = Trainer(model)
    states = model.initial_states(16)
    gradient = torch.autograd.grad(loss.terms(model, states).loss, list(model.network.parameters()))
    before = [p.detach().clone() for p in model.network.parameters()]
    trainer.step(states)
    for p, b, g in zip(model.network.parameters(), before, gradient, strict=True):
        torch.testing.assert_close(p.detach(), b - g.clamp(-1e-3, 1e-3))


def test_a_clipvalue_beyond_the_floating_type_cuts_nothing():
    ends = [
        train(None, "run.N_episodes=1", f"optimizer.clipvalue={value}").state.payload()["policy"]
        for value in ("1e300", "null")
    ]
    assert_same(*ends)


def test_a_gradient_step_is_keras_adam_with_epsilon_1e_7():
    overrides = ["optimizer.learning_rate_schedule=null", "optimizer.schedule_kwargs={}", "run.keras_precision=float64"]
    model = deqn.Model(compose([*TINY, *overrides]).config)
    trainer = Trainer(model)
    parameters = list(model.network.parameters())
    weights = [p.detach().clone() for p in parameters]
    m, v = ([torch.zeros_like(w) for w in weights] for _ in range(2))
    with model.context():
        for t in range(1, 4):
            states = model.initial_states(16)
            gradient = torch.autograd.grad(loss.terms(model, states).loss, parameters)
            for i, g in enumerate(gradient):
                m[i] = 0.9 * m[i] + 0.1 * g
                v[i] = 0.999 * v[i] + 0.001 * g**2
                weights[i] -= 0.003 * (m[i] / (1 - 0.9**t)) / ((v[i] / (1 - 0.999**t)).sqrt() + 1e-7)
            trainer.step(states)
    for p, w in zip(parameters, weights, strict=True):
        torch.testing.assert_close(p.detach(), w, rtol=1e-9, atol=1e-12)


def test_the_learning_rate_follows_keras_cosine_decay():
    model = deqn.Model(compose([*TINY, "optimizer.schedule_kwargs={decay_steps: 10, alpha: 0.2}"]).config)
    trainer = Trainer(model)
    rates = []
    for _ in range(12):
        rates.append(trainer.state.optimizer.param_groups[0]["lr"])
        trainer.step(model.initial_states(16))
    cosine = [0.5 * (1 + torch.cos(torch.tensor(torch.pi * min(t, 10) / 10)).item()) for t in range(12)]
    assert rates == pytest.approx([0.003 * (0.8 * c + 0.2) for c in cosine])


def test_dropout_acts_in_gradient_steps_only():
    model = deqn.Model(compose([*TINY, *DROPOUT]).config)
    trainer = Trainer(model)
    modes = []
    trainer.terms = lambda model, states: modes.append(model.network.training) or loss.terms(model, states)
    trainer.simulated_step = lambda states: modes.append(model.network.training) or model.step(states)
    trainer.episode()
    assert modes == [False] * 4 + [True] * 8
    states = model.initial_states(5)
    assert torch.equal(model.policy(states), model.policy(states))


def test_the_next_episode_goes_on_where_the_last_one_ended():
    model = deqn.Model(compose([*TINY, "DISABLE_SHOCKS=true"]).config)
    model.Globals.DISABLE_SHOCKS = True
    trainer = Trainer(model)
    state = trainer.state.starting_state.clone()
    for _ in range(4):
        state = model.step(state)
    trainer.episode()
    assert torch.equal(trainer.state.starting_state, state)


def test_an_episode_of_one_period_starts_from_new_states():
    model = deqn.load_model("bm1972")
    trainer = Trainer(model)
    trainer.episode()
    assert model.config.redraw
    assert not torch.equal(trainer.state.starting_state, model.step(trainer.state.starting_state))
    assert ((trainer.state.starting_state >= 0.1) & (trainer.state.starting_state <= 1.0)).all()


def test_model_files_see_the_starting_state_of_the_run():
    model = deqn.Model(compose(TINY).config)
    trainer = Trainer(model)
    trainer.episode()
    assert model.Parameters.starting_state is trainer.state.starting_state


# -- what stops a run -------------------------------------------------------------------------------------------------


@pytest.fixture(params=["in a step", "after the last step"])
def poisoned(tmp_path, request):
    """A run whose network gives numbers that are not finite in the third episode, or at the end of it."""
    trainer = Trainer(deqn.Model(compose([*TINY, "run.N_episodes=6"]).config), RunFolder(tmp_path))
    step, last = trainer.step, 17 if request.param == "in a step" else 24

    def poison(batch):
        terms = step(batch)
        if trainer.state.step == last:
            with torch.no_grad():
                next(trainer.model.network.parameters()).fill_(float("nan"))
        return terms

    trainer.step = poison
    with pytest.raises(TrainingError) as error:
        trainer.fit()
    return error.value, tmp_path


def test_a_number_that_is_not_finite_stops_the_run_with_status_3(poisoned):
    assert poisoned[0].exit_code == 3


def test_the_message_names_the_states_and_what_was_kept(poisoned):
    message = str(poisoned[0])
    for fragment in ("episode 3", "policies of the network: 16 of 16 states", "K=", "z=", "Kept ckpt-2", "clipvalue"):
        assert fragment in message


def test_the_last_good_checkpoint_is_kept_and_finite(poisoned):
    checkpoints = Checkpoints(poisoned[1])
    assert checkpoints.names() == ["ckpt-1", "ckpt-2"]
    payload, _, _ = checkpoints.load("LATEST")
    assert all(bool(torch.isfinite(value).all()) for value in payload["policy"].values())


def test_a_state_that_is_not_finite_at_the_end_of_an_episode_stops_the_run(tmp_path):
    trainer = Trainer(
        deqn.Model(compose([*TINY, "run.N_episodes=6", "CHECKPOINT_INTERVAL=5"]).config), RunFolder(tmp_path)
    )
    simulated = trainer.simulated_step
    periods = []

    def step(states):
        periods.append(None)
        return simulated(states) * (float("nan") if len(periods) == 8 else 1.0)  # the last period of the second episode

    trainer.simulated_step = step
    with pytest.raises(
        TrainingError, match="starting_state is not finite at the end of episode 2: simulated states: 16"
    ):
        trainer.fit()
    assert Checkpoints(tmp_path).names() == ["ckpt-1"]


def test_an_equation_that_is_not_finite_is_named_with_its_states():
    model = deqn.Model(compose(TINY).config)
    trainer = Trainer(model)
    states = model.initial_states(16)
    states[3, 0] = -1.0  # a negative capital to a power
    with pytest.raises(TrainingError, match=r"equation 'euler': 1 of 16 states, first at K=-1, z="):
        trainer.step(states)


def test_check_numerics_names_the_operation_and_the_line():
    model = deqn.Model(compose([*TINY, "enable_check_numerics=true"]).config)
    trainer = Trainer(model)
    states = model.initial_states(16)
    states[3, 0] = -1.0
    with pytest.raises(
        TrainingError, match=r"equation 'euler': 1 of 16 states, first at K=-1.*`pow`, called in .*Definitions.py:12"
    ):
        trainer.step(states)


@pytest.mark.filterwarnings("ignore:Error detected in")  # PyTorch's own traceback of the operation
def test_check_numerics_names_the_operation_of_the_gradient_too():
    """sqrt at zero: the value is finite, its derivative is not."""
    model = deqn.Model(compose([*TINY, "enable_check_numerics=true"]).config)
    model._equations = lambda s, p: {"root": (p - p).sqrt().sum(-1)}
    with pytest.raises(TrainingError, match=r"not a finite number in episode 1, step 1: .*(div|SqrtBackward)"):
        Trainer(model).step(model.initial_states(16))


def test_the_parameters_are_unchanged_by_a_step_that_is_not_finite():
    model = deqn.Model(compose(TINY).config)
    trainer = Trainer(model)
    before = trainer.state.payload()
    states = model.initial_states(16)
    states[0, 0] = -1.0
    rng = trainer.state.rng.get_state()
    with pytest.raises(TrainingError):
        trainer.step(states)
    after = trainer.state.payload()
    assert_same(after["policy"], before["policy"])
    assert_same(after["optimizer"], before["optimizer"])
    assert torch.equal(trainer.state.rng.get_state(), rng)


def test_a_disk_that_is_full_at_the_end_raises_and_keeps_earlier_checkpoints(tmp_path, monkeypatch):
    messages = []

    class Listener:
        def episode(self, record, state):
            if record.episode == 2:
                monkeypatch.setattr(torch, "save", full)

        def message(self, text):
            messages.append(text)

    def full(*_):
        raise RuntimeError("basic_ios::clear: iostream error")

    trainer = Trainer(deqn.Model(compose([*TINY, "run.N_episodes=3"]).config), RunFolder(tmp_path), Listener())
    with pytest.raises(SaveError, match="could not be written") as error:
        trainer.fit()
    assert error.value.exit_code == 4
    assert trainer.state.episode == 3
    assert Checkpoints(tmp_path).names() == ["ckpt-1"]
    assert any("bytes free" in text and "Training goes on" in text for text in messages)
    assert [path.name for path in (tmp_path / "ckpt").iterdir()] == ["ckpt-1.pt"]


COUNTS = """import torch
import Definitions, State

def shock_probs(state, policy_state):
    late = (State.z(state) > 15).to(state.dtype)
    return torch.stack([0.5 + 0 * late, 0.5 + 0.25 * late], dim=-1)

def total_step_spec_shock(prev_state, policy_state, shock_index):
    K = Definitions.K_next(prev_state, policy_state)
    return State.update_dict(prev_state, {"K": K, "z": State.z(prev_state) + 1})

def total_step_random(prev_state, policy_state):
    return total_step_spec_shock(prev_state, policy_state, 0)
"""


@pytest.mark.parametrize("pieces", [[], ["run.N_states_held=32"]], ids=["one piece", "two pieces"])
def test_probabilities_that_are_wrong_where_only_the_simulation_comes_end_it_with_a_state(tmp_path, pieces):
    models = own_model(tmp_path / "models", Dynamics=COUNTS, Definitions=shipped("brock_mirman", "Definitions").replace(
        "torch.exp(State.z(state))", "torch.exp(0 * State.z(state))"))  # fmt: skip
    start = "variables.states.1.init={distribution: constant, kwargs: {value: 0.0}}"
    config = compose([*TINY, "MODEL_NAME=mine", f"MODELS_DIR={models}", start, *pieces]).config
    model = deqn.Model(config)
    probe(model)
    trainer = Trainer(model, RunFolder(tmp_path / "run"))
    with pytest.raises(deqn.ModelError, match=r"shock_probs sums to 1.25, not 1.* states: K=.*, z=1[6-9]\."):
        trainer.fit(quiet=True)
    assert Checkpoints(tmp_path / "run").names()


def test_fit_says_how_far_it_is_and_only_once(capsys):
    trainer = Trainer(deqn.Model(compose([*TINY, "run.N_episodes=2"]).config))
    trainer.fit()
    out = capsys.readouterr().out
    assert out.startswith("episode 2/2 loss ")
    assert len(out.splitlines()) == 1
    assert trainer.watcher is None


def test_fit_can_be_silent(capsys):
    Trainer(deqn.Model(compose([*TINY, "run.N_episodes=2"]).config)).fit(quiet=True)
    assert capsys.readouterr().out == ""


def test_fit_shows_a_line_every_few_seconds(capsys, monkeypatch):
    monkeypatch.setattr("deqn.training.progress._SECONDS_BETWEEN_LINES", 0.0)
    Trainer(deqn.Model(compose([*TINY, "run.N_episodes=3"]).config)).fit()
    assert [line.split(" loss")[0] for line in capsys.readouterr().out.splitlines()] == [
        "episode 1/3", "episode 2/3", "episode 3/3",
    ]  # fmt: skip
