"""`tf.summary`: what a model's hooks write, in the TensorBoard of the run."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch

from deqn.tensorflow.tensors import convert


class Writer:
    """What `tf.summary.create_file_writer` gives: everything is written where the run writes."""

    @contextlib.contextmanager
    def as_default(self, step: Any = None) -> Iterator[Writer]:
        yield self

    def set_as_default(self, step: Any = None) -> None:
        """It is the only one there is."""

    def flush(self) -> None:
        """The run's writer is flushed by the run."""

    close = init = flush


def summary(parameters: Any, drawn: Callable[[], set[str]]) -> dict[str, Any]:
    """The names of `tf.summary`.

    Args:
        parameters: `Parameters`, whose `summary` is the run's writer; None where nothing is written.
        drawn: names of histograms that the run draws by itself, which are not drawn twice.
    """

    def at(step: Any) -> int:
        return int(parameters.gradient_steps if step is None else step)

    def write(kind: str, *arguments: Any, **named: Any) -> bool:
        if parameters.summary is None:
            return False
        getattr(parameters.summary, kind)(*arguments, **named)
        return True

    def scalar(name: str, data: Any, step: Any = None, description: Any = None) -> bool:
        return write("add_scalar", name, float(convert(data).detach()), at(step))

    def histogram(name: str, data: Any, step: Any = None, buckets: Any = None, description: Any = None) -> bool:
        if name in drawn():
            return True
        values = convert(data).detach().double()
        values = values[torch.isfinite(values)]
        return bool(values.numel()) and write("add_histogram", name, values, at(step))

    def text(name: str, data: Any, step: Any = None, description: Any = None) -> bool:
        return write("add_text", name, str(data), at(step))

    def image(name: str, data: Any, step: Any = None, max_outputs: int = 3, description: Any = None) -> bool:
        """Pictures `[n, height, width, channels]`."""
        pictures = convert(data).detach()[:max_outputs]
        return write("add_images", name, pictures, at(step), dataformats="NHWC")

    writer = Writer()
    return {
        "scalar": scalar, "histogram": histogram, "text": text, "image": image, "SummaryWriter": Writer,
        "create_file_writer": lambda *_, **__: writer, "create_noop_writer": lambda: writer, "flush": lambda **_: None,
        "should_record_summaries": lambda: True, "record_if": lambda condition: contextlib.nullcontext(),
        "experimental.set_step": lambda step: None,
    }  # fmt: skip
