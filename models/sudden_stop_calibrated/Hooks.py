"""Consumption of the reference of `sudden_stop`, which is the same economy; how often the limit binds in either."""

from sudden_stop.Hooks import closing_lines, reference
