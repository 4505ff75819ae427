"""Quantities as functions of state and policy, as in `krusell_smith`; income is that of Productivity.py here."""

from krusell_smith.Definitions import *
