"""That of `irbc`, with hours."""

from irbc.Hooks import reference
