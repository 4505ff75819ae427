"""The Euler equation of `sudden_stop`."""

from sudden_stop.Equations import equations
