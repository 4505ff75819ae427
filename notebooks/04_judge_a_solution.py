# %% [markdown]
# # Judge a solution
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/deqn/blob/main/notebooks/04_judge_a_solution.ipynb)
#
# Takes one and a half minutes of processor time.
#
# A small loss is necessary and not sufficient. This notebook asks a trained economy what a referee would ask: does anything speak against the
# solution, how large are its errors, what does the economy do after a shock, what are its moments, and where does it rest?

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
# %matplotlib inline
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display

import deqn
from deqn.analysis.impulse_responses import draw

OVERRIDES = os.environ.get("DEQN_NOTEBOOK_OVERRIDES", "preset=default").split()  # or smoke, teaching, production
plt.rcParams["figure.dpi"] = 80

# %% [markdown]
# ## A training that was too short
#
# The verdict has findings. Each says what was found, and what to try.

# %%
short = deqn.train("brock_mirman", ["run.N_episodes=3"])

# %% [markdown]
# ## One that was not

# %%
run = deqn.train("brock_mirman", OVERRIDES)

# %%
verdict = run.check()
print("nothing found" if verdict.ok else verdict.findings)

# %% [markdown]
# ## Residuals
#
# On states that the trained economy visits, and in a wider box around them, where it was trained less. Residuals are relative errors of consumption.

# %%
cloud = run.cloud()
columns = ["mean", "p50", "p99", "max", "log10 mean"]
display(run.accuracy(cloud)[columns].style.format("{:.2g}").set_caption("states that the economy visits"))
display(run.accuracy(run.wider_box(cloud))[columns].style.format("{:.2g}").set_caption("a wider box"))

# %% [markdown]
# The distance to the known answer: the savings rate $\alpha\beta$.

# %%
run.policy_error_table()

# %% [markdown]
# ## Impulse responses
#
# 500 economies are hit by a shock to productivity of one standard deviation, and each has a twin that is not. Of this economy the response
# is known: log capital is linear, $k' = \alpha k + z$ but for a constant.

# %%
responses = run.impulse_responses("z", periods=20)
wanted = responses[responses["variable"].isin(["K", "C", "R"])]
figure = draw(wanted, "Responses to a shock to z of one standard deviation")
display(figure)

# %%
P = run.model.Parameters
K = [0.0]
for t in range(20):
    K.append(P.alpha * K[-1] + 100 * P.sigma * P.rho**t)
response = responses[responses["variable"] == "K"]["response"].to_numpy()
print(
    f"largest distance of K to the closed form: {np.abs(response - K).max():.1e} percent; the peak is {max(K):.2f} percent"
)

# %% [markdown]
# ## Moments
#
# Over 200 simulated paths, with standard errors.

# %%
moments, correlations = run.moments()
moments.loc[["K", "z", "C", "R"], ["mean", "mean error", "std", "std error", "autocorrelation"]].round(5)

# %% [markdown]
# ## Where the economy rests, and whether its errors can be foreseen
#
# In the stochastic steady state all fear shocks, and none comes. The test of Den Haan and Marcet (1994) asks whether somebody who knows the state could
# foresee the errors of the equations. For an exact solution, 5 % of the statistics lie below the lower bound and 5 % above the upper one. In this
# economy, $R' C / C'$ does not depend on the shock where the savings rate is right. What is left are tiny errors of the network; if many more than
# 5 % lie above, these can be foreseen. The row of an exact solution has no numbers, because there is no error.

# %%
print(run.stochastic_steady_state())
run.den_haan_marcet()

# %% [markdown]
# ## The report
#
# All of this, with figures, on one page that opens without a network and prints well. It is written by post-processing.

# %%
# !{sys.executable} -m deqn post hydra.run.dir={run.path} | tail -n 4

# %%
report = max(run.path.glob("post/*/report.html"))
print(report.name, f"{report.stat().st_size / 1e6:.1f} MB")
