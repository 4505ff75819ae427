"""What the groups of the schema are made of: the base class and the types of numbers."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

PositiveInt = Annotated[int, Field(gt=0)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Rate = Annotated[float, Field(ge=0, lt=1)]
Share = Annotated[float, Field(ge=0, le=1)]


class Group(BaseModel):
    """Keys of one part of the configuration: unknown ones are refused, values are not converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, protected_namespaces=())
