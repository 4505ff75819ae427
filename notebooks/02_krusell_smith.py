# %% [markdown]
# # Krusell and Smith (1998)
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/deqn/blob/main/notebooks/02_krusell_smith.ipynb)
#
# Takes two minutes of processor time.
#
# Households earn incomes that they cannot insure, and save in capital. Aggregate productivity $Z$ moves prices, and prices depend on the
# whole distribution of wealth. This notebook goes through the solution step by step: the stationary economy, the network, the histogram
# that moves, training, and the policy.
#
# The calibration is that of Žemlička's notebook on this economy, but for the asset grid: his ends at 50, where a quarter of the
# households would go on saving ([mean capital: three numbers](../docs/models/krusell_smith.md#mean-capital-three-numbers)).

# %%
# On Colab, and wherever deqn is missing, this cell installs it. Elsewhere it does nothing.
import importlib.util
import os
import subprocess
import sys

REPOSITORY = "OWNER/deqn"  # on GitHub; OWNER stands for the account that publishes it
if importlib.util.find_spec("deqn") is None:
    wheel = f"deqn[ks] @ git+https://github.com/{REPOSITORY}"
    subprocess.check_call([sys.executable, "-m", "pip", "install", "--quiet", wheel])

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch

import deqn
from deqn import histogram

OVERRIDES = os.environ.get("DEQN_NOTEBOOK_OVERRIDES", "preset=teaching").split()  # or smoke, default, production
plt.rcParams["figure.dpi"] = 80

# %% [markdown]
# ## The stationary economy
#
# Without aggregate risk, the interest rate is constant, and the economy comes to rest. `Calibration.py` of the model finds this equilibrium with
# sequence-jacobian (Auclert, Bardóczy, Rognlie and Straub, 2021): the household's problem by endogenous gridpoints, the stationary
# distribution, and the capital at which households hold what firms use. `load_model` runs it.

# %%
model = deqn.load_model("krusell_smith", OVERRIDES)
P = model.Parameters
print(f"capital of the stationary economy: {P.K_ss:.3f}")
print(f"productivity e of households: {np.round(P.e_grid.tolist(), 3)}")
print(f"aggregate productivity Z:     {np.round(P.tfp_grid.tolist(), 4)}")

# %% [markdown]
# The same calibration on the notebook's grid, 100 nodes up to 50, where savings above 50 are not allowed: another economy, with less capital.

# %%
short = deqn.load_model("krusell_smith", ["constants=krusell_smith_notebook"], check=False)
print(f"capital, where nobody may own more than 50: {short.Parameters.K_ss:.2f}")

# %% [markdown]
# Who holds what in the stationary economy:

# %%
a, wealth = P.a_grid, P.D_ss
for e, mass in zip(P.e_grid.tolist(), wealth, strict=True):
    plt.plot(a, mass.cumsum(-1) / mass.sum(), label=f"e = {e:.2f}")
plt.xlabel("assets a [goods]")
plt.ylabel("share of households with less")
plt.title("Wealth by productivity, stationary economy")
plt.legend(title="productivity")
plt.show()

# %% [markdown]
# ## The network
#
# For each state of the economy the network gives, at every node of $(e, a)$, the share of cash on hand that the household consumes. Its
# inputs are $\log Z$ and $\log K$. Its output moves the stationary policy: it is zero before training, so that training begins at a
# sensible policy.

# %%
print(model.network)
states = model.initial_states(1)
share = model.PolicyState.share(model.policy(states).detach())
print("shape of the policy:", tuple(share.shape))
print("distance to the stationary policy before training:", share[0].sub(P.share_ss).abs().max().item())

# %% [markdown]
# ## The histogram moves
#
# The state holds the mass of households at each node of $(e, a)$. Savings move it (Young, 2010): the mass of a node goes to the two nodes
# around what the household saves, in the proportions that keep the mean. Then productivities change. No mass is lost, and mean wealth is
# what was saved.

# %%
policy = model.policy(states).detach()
savings = model.Definitions.households(states, policy).a_next
masses = model.State.distribution(states)
moved = histogram.move_productivity(histogram.move_assets(masses, savings, histogram.Grid(a)), P.Pi_e)
print(f"mass before and after: {float(masses.sum()):.7f}, {float(moved.sum()):.7f}")
print(f"what was saved: {float(histogram.aggregate(masses, savings)):.4f}")
print(f"mean wealth after: {float(histogram.aggregate(moved, a)):.4f}")
print(f"in the stationary economy nothing changes: largest difference {float((moved - masses).abs().max()):.1e}")

# %% [markdown]
# ## Training
#
# 64 economies are simulated at a time. In each state of each economy there is an Euler equation at every node, in units of consumption. It takes
# expectations over next period's $Z'$ and $e'$, and next period's capital is that of the moved histogram. There is no forecasting rule.

# %%
run = deqn.train(model)

# %%
losses = run.losses()
plt.semilogy(losses.index, losses["loss"])
plt.xlabel("episode (20 quarters of 64 economies)")
plt.ylabel("loss (squared relative error of consumption)")
plt.title("Training")
plt.show()

# %% [markdown]
# ## The policy
#
# Savings at the capital of the stationary economy, and at the middle node of $Z$. Above the 45-degree line, wealth grows.

# %%
model = run.model
P = model.Parameters
Z = P.tfp_grid[len(P.tfp_grid) // 2]
states = model.State.update_dict(model.initial_states(1), {"Z": Z[None], "distribution": P.D_ss[None].float()})
with torch.no_grad():
    policy = model.policy(states)
    choice = model.Definitions.households(states, policy)
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
shown = P.a_grid <= 50
for i, e in enumerate(P.e_grid.tolist()):
    left.plot(P.a_grid[shown], choice.a_next[0, i][shown], label=f"e = {e:.2f}")
    right.plot(P.a_grid[shown], (choice.a_next[0, i] - P.a_grid)[shown], label=f"e = {e:.2f}")
left.plot([0, 50], [0, 50], "k--", linewidth=0.8, label="45 degrees")
right.axhline(0, color="black", linestyle="--", linewidth=0.8)
left.set(
    xlabel="assets a [goods]", ylabel="savings a' [goods]", title=f"Savings at K = {P.K_ss:.2f}, Z = {float(Z):.3f}"
)
right.set(xlabel="assets a [goods]", ylabel="a' - a [goods a quarter]", title="The same, less assets")
left.legend(title="productivity")
figure.tight_layout()
plt.show()

# %% [markdown]
# ## The economy over time
#
# One economy for 200 quarters, from a state in which training ended.

# %%
path = run.simulate(batch=1, length=200)
K, Z = model.Definitions.K(path, None)[:, 0], model.State.Z(path)[:, 0]
figure, (top, bottom) = plt.subplots(2, 1, figsize=(8, 5), sharex=True)
top.plot(K)
top.axhline(P.K_ss, color="black", linestyle="--", linewidth=0.8, label="stationary economy")
top.set(ylabel="capital K [goods]")
top.legend()
bottom.step(range(len(Z)), Z, where="post")
bottom.set(xlabel="quarter", ylabel="productivity Z")
plt.show()
print(f"mass of the histogram: within {float((model.Definitions.mass(path, None) - 1).abs().max()):.0e} of one")
print(
    f"households at the borrowing limit: {100 * float(model.Definitions.at_limit(path, None).mean()):.1f} % on average"
)

# %% [markdown]
# `deqn post hydra.run.dir=<run folder>` holds this run against a classical solution on a finer grid, the linear solution and the tests of
# the literature ([how the Krusell–Smith economy is solved](../docs/models/krusell_smith.md)).
