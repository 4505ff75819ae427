# %% [markdown]
# # A first solution
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/deqn/blob/main/notebooks/01_first_solution.ipynb)
#
# Takes one minute of processor time.
#
# A planner saves the share $s$ of output $Y = e^z K^\alpha$ (Brock and Mirman, 1972). Capital depreciates within a period, and utility is
# logarithmic. The best savings rate is then $\alpha\beta$ in every state. The network does not know this: it only sees the Euler equation.

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
import matplotlib.pyplot as plt
import torch

import deqn

OVERRIDES = os.environ.get("DEQN_NOTEBOOK_OVERRIDES", "preset=default").split()  # or smoke, teaching, production
plt.rcParams["figure.dpi"] = 80

# %% [markdown]
# `deqn.train` trains a model of the catalogue. It prints what is solved, shows how far it is, and ends with the residuals on simulated
# states. The verdict says whether anything speaks against the solution.

# %%
run = deqn.train("brock_mirman", OVERRIDES)

# %% [markdown]
# The loss is the mean square of the residuals. It is zero where the Euler equation holds.

# %%
losses = run.losses()
plt.semilogy(losses.index, losses["loss"])
plt.xlabel("episode")
plt.ylabel("loss (squared relative error)")
plt.title("Training")
plt.show()

# %% [markdown]
# The policy, on states between half and twice the steady state's capital, beside the closed form. Variables are read by name:
# `State.K(states)` has one entry a state.

# %%
model = run.model
alpha, beta = model.Parameters.alpha, model.Parameters.beta
K = torch.linspace(model.Parameters.K_low, model.Parameters.K_high, 100)
with torch.no_grad():
    for z in (-0.1, 0.0, 0.1):
        states = torch.stack([K, torch.full_like(K, z)], dim=-1)
        plt.plot(K, model.PolicyState.s(model.policy(states)), label=f"network, log productivity z = {z}")
plt.axhline(alpha * beta, color="black", linestyle="--", label="closed form, αβ")
plt.xlabel("capital K [goods]")
plt.ylabel("savings rate s [share of output]")
plt.ylim(alpha * beta - 0.01, alpha * beta + 0.01)
plt.legend()
plt.show()

# %% [markdown]
# The largest distance to the closed form on the simulated states:

# %%
run.policy_error_table()

# %% [markdown]
# Any key of the configuration can be changed: `deqn.train("brock_mirman", ["constants.beta=0.95", "optimizer.learning_rate=1e-3"])`. Losses,
# histograms and figures of all runs are also in TensorBoard, while they are trained. Take away the tag `skip-execution` to run it with
# the notebook as a whole.

# %% tags=["skip-execution"]
# %load_ext tensorboard
# %tensorboard --logdir runs
