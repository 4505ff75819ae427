# %% [markdown]
# # Overlapping generations
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/deqn/blob/main/notebooks/05_overlapping_generations.ipynb)
#
# Takes one and a half minutes of processor time.
#
# Six generations live at a time (Krueger and Kubler, 2004; the test case of Azinovic, Gaegauf and Scheidegger, 2022). The young work, all save, and
# the oldest consume all that they have. Productivity and depreciation are random. The state holds the capital of each age: a small
# distribution. Savings are known in closed form, because utility is logarithmic and only the young earn wages.

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
# ## The economy
#
# A variable may have a shape: `k` is the capital of the ages 2 to 6, one variable with five entries. So are the savings `a` of the ages 1 to 5.

# %%
model = deqn.load_model("analytic", OVERRIDES)
states = model.initial_states(3)
print("capital by age, three economies:")
print(model.State.k(states))
residuals = model.equations(states, model.policy(states))
print("equations:", {name: tuple(residual.shape) for name, residual in residuals.items()})

# %% [markdown]
# ## Training
#
# By least squares (Levenberg–Marquardt) in float64. The network is small, and a step uses all residuals at once.

# %%
run = deqn.train(model)

# %%
losses = run.losses()
plt.semilogy(losses.index, losses["loss"])
plt.xlabel("epoch")
plt.ylabel("loss (squared relative error)")
plt.title("Training")
plt.show()

# %% [markdown]
# ## Savings by age, beside the closed form
#
# Each age saves a constant share of its wealth, $a_h = \beta \frac{1 - \beta^{6-h}}{1 - \beta^{7-h}}$ times wealth.

# %%
model = run.model
cloud = run.cloud()
with torch.no_grad():
    policy = run.policies(cloud)
    wealth = model.Definitions.wealth(cloud, policy)[:, :5]
    share = model.PolicyState.a(policy) / wealth
beta, ages = model.Parameters.beta, torch.arange(1, 6)
exact = beta * (1 - beta ** (6 - ages)) / (1 - beta ** (7 - ages))
plt.plot(ages, share.mean(0), "o", label="network, mean over simulated states")
plt.plot(ages, exact, "k_", markersize=20, label="closed form")
plt.xticks(ages)
plt.xlabel("age [periods of about ten years]")
plt.ylabel("savings [share of wealth]")
plt.legend()
plt.show()
print(f"largest distance of a share, over ages and states: {float((share - exact).abs().max()):.1e}")

# %% [markdown]
# ## Wealth over the life cycle
#
# What booms and recessions do to each age: the mean over simulated states, and the range of nine tenths of them.

# %%
capital = model.State.k(cloud)
low, middle, high = (capital.quantile(q, dim=0) for q in (0.05, 0.5, 0.95))
plt.fill_between(range(2, 7), low, high, alpha=0.3, label="90 % of the states")
plt.plot(range(2, 7), middle, label="median")
plt.xticks(range(2, 7))
plt.xlabel("age [periods of about ten years]")
plt.ylabel("capital at the beginning of the period [goods]")
plt.ylim(0)
plt.legend()
plt.show()
