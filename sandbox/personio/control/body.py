"""Reading what was sent. Any content type is taken for JSON, so that ``curl -d`` needs no header."""

import json
from typing import Any, TypeVar

from pydantic import BaseModel
from starlette.requests import Request

from sandbox.personio.control.errors import ControlError

Model = TypeVar("Model", bound=BaseModel)


async def fields(request: Request) -> dict[str, Any]:
    """The JSON object of the body, empty when there is no body. Raises ``ControlError``."""
    body = await request.body()
    if not body.strip():
        return {}
    try:
        document = json.loads(body)
    except ValueError as error:
        raise ControlError(400, f"the body is no JSON: {error}") from error
    if not isinstance(document, dict):
        raise ControlError(400, "the body must be a JSON object")
    return document


async def model(request: Request, kind: type[Model]) -> Model:
    """Raises ``ControlError`` and pydantic's ``ValidationError``."""
    return kind.model_validate(await fields(request))
