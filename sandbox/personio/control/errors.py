"""Error responses of the control API."""

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.personio.company import EmailTakenError, UnknownEmployeeError


class ControlError(Exception):
    """Error with the body ``{"error": message}`` and this HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def _build_response(status: int, message: str) -> Response:
    return JSONResponse({"error": message}, status_code=status)


async def answer_control_error(_: Request, error: Exception) -> Response:
    """Returns the response of an error in ``HANDLED_ERRORS``; the exception handler of the application."""
    if isinstance(error, ControlError):
        return _build_response(error.status, error.message)
    if isinstance(error, ValidationError):
        problems = [f"{_format_location(problem['loc'])}: {problem['msg']}" for problem in error.errors()]
        return _build_response(422, "; ".join(problems))
    if isinstance(error, UnknownEmployeeError):
        return _build_response(404, str(error))
    if isinstance(error, EmailTakenError):
        return _build_response(409, str(error))
    raise error


def _format_location(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location) or "body"


HANDLED_ERRORS = (ControlError, ValidationError, UnknownEmployeeError, EmailTakenError)
