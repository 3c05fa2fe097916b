"""Errors of API v1. Codes, texts and their irregularities are the vendor's."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

GATEWAY_PAGE = (
    "<html>\r\n<head><title>{status} {reason}</title></head>\r\n"
    "<body>\r\n<center><h1>{status} {reason}</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)


class ApiError(Exception):
    """Error with the body ``{"success": false, "error": {"code", "message"}}``. The code may differ from the HTTP status."""

    def __init__(self, status: int, message: str, code: int | None = None) -> None:
        super().__init__(f"{status} {message}")
        self.status = status
        self.code = status if code is None else code
        self.message = message

    def build_response(self) -> JSONResponse:
        """Returns the HTTP response of this error."""
        error = {"code": self.code, "message": self.message}
        return JSONResponse({"success": False, "error": error}, status_code=self.status)


def wrong_credentials() -> ApiError:
    """Returns the error of a failed login.

    It also answers credentials in the query string, which the vendor's changelog deprecates.
    """
    return ApiError(403, "Wrong credentials", code=0)


def not_authenticated() -> ApiError:
    """Returns the error of a request without a token."""
    return ApiError(401, "Authorization is not provided")


def not_authorized() -> ApiError:
    """Returns the error of an unknown or expired token."""
    return ApiError(403, "Provided authorization is not valid")


def token_revoked() -> ApiError:
    """Returns the error of a replaced token, as reported on the vendor's forum."""
    return ApiError(401, "The token has been blacklisted")


def access_forbidden() -> ApiError:
    """Returns the error of a credential without the right to read employees.

    The vendor's forum reports the message, but not the status.
    """
    return ApiError(403, "personio.core.api.exceptions.api.forbidden.http.exception", code=0)


def employee_not_found() -> ApiError:
    """Returns the error of an unknown employee: German in every account, with a trailing space."""
    return ApiError(404, "Es ist ein Problem aufgetreten ")


def picture_not_found() -> ApiError:
    """Returns the error of a missing profile picture."""
    return ApiError(404, "Etwas ist schiefgelaufen ...")


def invalid_parameter(message: str) -> ApiError:
    """Returns the error of an invalid query parameter."""
    return ApiError(422, message)


def too_many_requests() -> ApiError:
    """Returns the error of a rate limit. The vendor documents neither its body nor its headers."""
    return ApiError(429, "Too Many Requests")


def server_error() -> ApiError:
    """Returns the error of a failure inside the vendor's API."""
    return ApiError(500, "Something went wrong")


def build_gateway_page(status: int, reason: str) -> Response:
    """Returns an HTML error page, as the gateway in front of the API sends for 404, 502 and 504."""
    return Response(GATEWAY_PAGE.format(status=status, reason=reason), status, media_type="text/html")


def build_long_query_page(status: int) -> Response:
    """Returns the page of the server in front of the API for a query string that is too long: status 414 or 431."""
    reasons = {414: "Request-URI Too Large", 431: "Request Header Fields Too Large"}
    return build_gateway_page(status, reasons[status])


async def answer_api_error(_: Request, error: Exception) -> Response:
    """Returns the response of an ``ApiError``; the exception handler of the application."""
    if not isinstance(error, ApiError):
        raise error
    return error.build_response()
