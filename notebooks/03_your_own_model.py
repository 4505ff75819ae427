# %% [markdown]
# # Your own model in a notebook
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/deqn/blob/main/notebooks/03_your_own_model.ipynb)
#
# Takes one minute of processor time.
#
# `deqn.model_from` makes a model from functions in cells. It writes them to a model folder and YAML files, so that the model can be trained by
# `deqn train`, resumed and sent to others.
#
# The example is a firm that invests. It has $k$ machines, and each earns $z$. Investment $i$ costs $i + \frac{\varphi}{2} i^2$:
#
# $$\max E \sum_t \beta^t \left[z_t k_t - i_t - \tfrac{\varphi}{2} i_t^2\right], \qquad k' = (1 - \delta) k + i, \qquad
# z' = (1 - \rho)\bar z + \rho z + \sigma \varepsilon'.$$
#
# A machine is worth $q = 1 + \varphi i$, and the firm invests until
#
# $$q = \beta E\left[z' + (1 - \delta) q'\right].$$
#
# What a machine earns does not depend on how many there are. Therefore $q$ is the sum of what it is expected to earn, which is known exactly
# (Hayashi, 1982):
#
# $$q = \frac{\beta \bar z}{1 - \beta (1 - \delta)} + \frac{\beta \rho}{1 - \beta \rho (1 - \delta)} (z - \bar z).$$

# %%
# On Colab, and wherever deqn is missing, this cell installs it. Elsewhere it does nothing.
import importlib.util
import os
import subprocess
import sys

REPOSITORY = "OWNER/deqn"  # on GitHub; OWNER stands for the account that publishes it
if importlib.util.find_spec("deqn") is None:
    wheel = f"deqn @ git+https://github.com/{REPOSITORY}"
    subprocess.check_call([sys.executable, "-m", "pip", "install", "--quiet", wheel])

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import torch

import deqn

OVERRIDES = os.environ.get("DEQN_NOTEBOOK_OVERRIDES", "run.N_episodes=300").split()
plt.rcParams["figure.dpi"] = 80

# %% [markdown]
# ## The functions
#
# They are functions of `state` and `policy_state`, tensors with one row a state. `State.z(state)` reads a state, `PolicyState.i(policy_state)`
# a policy, `Parameters.beta` a constant. These names need no import: each model has its own. First the quantities, `definitions`:


# %%
def q(state, policy_state):
    """Value of a machine."""
    return 1 + Parameters.phi * PolicyState.i(policy_state)


def k_next(state, policy_state):
    """Machines next period."""
    return (1 - Parameters.delta) * State.k(state) + PolicyState.i(policy_state)


# %% [markdown]
# The law of motion. It has an argument for each shock.


# %%
def next_state(state, policy_state, epsilon):
    mean, rho = Parameters.z_mean, Parameters.rho
    z_next = (1 - rho) * mean + rho * State.z(state) + epsilon
    return State.update_dict(state, {"k": k_next(state, policy_state), "z": z_next})


# %% [markdown]
# The equilibrium conditions. `E_t(f)` is the conditional expectation of `f` at next period's state and policy. The residual is relative to $q$,
# so that it has no unit.


# %%
def equations(state, policy_state):
    E_t = State.E_t_gen(state, policy_state)
    tomorrow = E_t(lambda s, p: State.z(s) + (1 - Parameters.delta) * q(s, p))
    return {"investment": 1 - Parameters.beta * tomorrow / q(state, policy_state)}


# %% [markdown]
# What is known of the solution. This function is optional; its name tells the library what it is.


# %%
def closed_form(state):
    beta, delta, rho, mean = Parameters.beta, Parameters.delta, Parameters.rho, Parameters.z_mean
    value = beta * mean / (1 - beta * (1 - delta)) + beta * rho / (1 - beta * rho * (1 - delta)) * (
        State.z(state) - mean
    )
    return {"i": (value - 1) / Parameters.phi}


# %% [markdown]
# ## The model
#
# For a state, the pair of numbers is the range that it starts from; for a policy, the range that it stays in. `shocks` names the standard deviation of
# each shock. The call writes the folder `firm/`, tries the model, and raises an error with every problem that it finds.

# %%
model = deqn.model_from(
    "firm",
    constants={"beta": 0.96, "delta": 0.1, "phi": 2.0, "rho": 0.8, "z_mean": 0.16, "sigma": 0.01},
    states={"k": (0.4, 0.9), "z": (0.13, 0.19)},
    policies={"i": (-0.1, 0.3)},
    definitions=[q, k_next],
    next_state=next_state,
    shocks={"epsilon": "sigma"},
    equations=equations,
    hooks=[closed_form],
)
print(Path("firm/models/firm/Equations.py").read_text())

# %% [markdown]
# ## Training

# %%
run = deqn.train(model, OVERRIDES)

# %% [markdown]
# ## The solution, beside the closed form

# %%
model = run.model
z = torch.linspace(0.12, 0.20, 100)
states = torch.stack([torch.full_like(z, 0.65), z], dim=-1)
with torch.no_grad():
    value = model.Definitions.q(states, model.policy(states))
exact = 1 + model.Parameters.phi * model.closed_form(states)["i"]
plt.plot(z, value, label="network")
plt.plot(z, exact, "k--", label="closed form")
plt.xlabel("earnings of a machine z [goods a year]")
plt.ylabel("value of a machine q [goods]")
plt.title("Value at k = 0.65 machines")
plt.legend()
plt.show()
print(f"largest distance of q on these states: {float((value - exact).abs().max()):.1e}")

# %% [markdown]
# ## The same model elsewhere
#
# The folder trains from a terminal, too. A run goes on where it ended with `deqn.resume(run.path, ["run.N_episodes=600"])`.

# %%
# !{sys.executable} -m deqn check --config-dir firm/config model=firm | tail -n 1

# %% [markdown]
# What a folder would not have is refused, with the name of what is missing:

# %% tags=["raises-exception"]
discount = 0.96


def equations_with_a_variable(state, policy_state):
    E_t = State.E_t_gen(state, policy_state)
    return {"investment": 1 - discount * E_t(lambda s, p: State.z(s) + q(s, p)) / q(state, policy_state)}


deqn.model_from(
    "firm",
    states={"k": (0.4, 0.9), "z": (0.13, 0.19)},
    policies={"i": (-0.1, 0.3)},
    definitions=[q, k_next],
    next_state=next_state,
    shocks={"epsilon": 0.01},
    equations=equations_with_a_variable,
)
