"""Quantities as functions of state and policy, as in `krusell_smith`; income and labour are those of Productivity.py here."""

from krusell_smith.Definitions import *
