"""Errors as API v1 answers them. Codes, texts and their oddities are the vendor's: see the docstrings."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

GATEWAY_PAGE = (
    "<html>\r\n<head><title>{status} {reason}</title></head>\r\n"
    "<body>\r\n<center><h1>{status} {reason}</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)


class ApiError(Exception):
    """Becomes ``{"success": false, "error": {"code", "message"}}``; ``code`` is not always the HTTP status."""

    def __init__(self, status: int, message: str, code: int | None = None) -> None:
        super().__init__(f"{status} {message}")
        self.status = status
        self.code = status if code is None else code
        self.message = message

    def response(self) -> JSONResponse:
        error = {"code": self.code, "message": self.message}
        return JSONResponse({"success": False, "error": error}, status_code=self.status)


def wrong_credentials() -> ApiError:
    """POST /v1/auth, also for credentials in the query string (deprecated by the vendor's changelog)."""
    return ApiError(403, "Wrong credentials", code=0)


def not_authenticated() -> ApiError:
    return ApiError(401, "Authorization is not provided")


def not_authorized() -> ApiError:
    return ApiError(403, "Provided authorization is not valid")


def token_revoked() -> ApiError:
    """Reported on the vendor's forum for tokens that were replaced."""
    return ApiError(401, "The token has been blacklisted")


def access_forbidden() -> ApiError:
    """Reported on the vendor's forum for a credential without the right; the status is not stated there."""
    return ApiError(403, "personio.core.api.exceptions.api.forbidden.http.exception", code=0)


def employee_not_found() -> ApiError:
    """German and with a trailing blank, whatever the account's language."""
    return ApiError(404, "Es ist ein Problem aufgetreten ")


def picture_not_found() -> ApiError:
    return ApiError(404, "Etwas ist schiefgelaufen ...")


def invalid_parameter(message: str) -> ApiError:
    return ApiError(422, message)


def too_many_requests() -> ApiError:
    """The vendor documents neither body nor headers of a 429."""
    return ApiError(429, "Too Many Requests")


def server_error() -> ApiError:
    return ApiError(500, "Something went wrong")


def gateway_page(status: int, reason: str) -> Response:
    """502 and 504 come from a layer in front of the API: HTML, not JSON."""
    return Response(GATEWAY_PAGE.format(status=status, reason=reason), status, media_type="text/html")


async def answer_api_error(_: Request, error: Exception) -> Response:
    """The exception handler for ``ApiError``."""
    if not isinstance(error, ApiError):
        raise error
    return error.response()
