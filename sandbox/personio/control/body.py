"""Reads request bodies of the control API. Every content type is parsed as JSON, so that ``curl -d`` needs no header."""

import json
from typing import Any, TypeVar

from pydantic import BaseModel
from starlette.requests import Request

from sandbox.personio.control.errors import ControlError

Model = TypeVar("Model", bound=BaseModel)


async def read_fields(request: Request) -> dict[str, Any]:
    """Returns the JSON object of the body, or an empty dictionary without a body. Raises ``ControlError``."""
    body = await request.body()
    if not body.strip():
        return {}
    try:
        document = json.loads(body)
    except ValueError as error:
        raise ControlError(400, f"the body is not valid JSON: {error}") from error
    if not isinstance(document, dict):
        raise ControlError(400, "the body must be a JSON object")
    return document


async def read_model(request: Request, kind: type[Model]) -> Model:
    """Returns the body as a model of this class. Raises ``ControlError`` and pydantic's ``ValidationError``."""
    return kind.model_validate(await read_fields(request))
