"""What the control API answers when it cannot do what it was asked."""

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.personio.company import EmailTakenError, UnknownEmployeeError


class ControlError(Exception):
    """``{"error": message}`` with this status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def _answer(status: int, message: str) -> Response:
    return JSONResponse({"error": message}, status_code=status)


async def answer_control_error(_: Request, error: Exception) -> Response:
    """The exception handler for everything in ``HANDLED``."""
    if isinstance(error, ControlError):
        return _answer(error.status, error.message)
    if isinstance(error, ValidationError):
        return _answer(422, "; ".join(f"{_place(each['loc'])}: {each['msg']}" for each in error.errors()))
    if isinstance(error, UnknownEmployeeError):
        return _answer(404, str(error))
    if isinstance(error, EmailTakenError):
        return _answer(409, str(error))
    raise error


def _place(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location) or "body"


HANDLED = (ControlError, ValidationError, UnknownEmployeeError, EmailTakenError)
