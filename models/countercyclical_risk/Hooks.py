"""Figures, progress and closing lines as in `krusell_smith`."""

from krusell_smith.Hooks import closing_lines, cycle_hook, draw_economy, progress
