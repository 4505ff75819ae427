"""Trains a model: `python run_deepnet.py model=krusell_smith`, the same as `deqn train model=krusell_smith`. See README.md."""

from deqn.__main__ import run

if __name__ == "__main__":
    run("train", "python run_deepnet.py")
