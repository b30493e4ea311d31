"""What request bodies have in common: strict types, unknown fields refused by name."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from outdial.calls.request import check_text


class StrictBody(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True)


def _printable(text: str) -> str:
    if not check_text(text).isprintable() or not text.strip():
        raise ValueError("must be printable text on one line")
    return text


Name = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_printable)]
CleanId = Annotated[str, Field(max_length=100), AfterValidator(check_text)]
