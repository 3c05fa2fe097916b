"""What stands between the client and the SCIM endpoint: redirects, missing routes, media types."""

from dataclasses import replace

from sandbox.declaree.answer_forms import FORMS
from sandbox.declaree.behaviour import Behaviour
from sandbox.declaree.errors import ScimError
from sandbox.declaree.message import (
    HTML_ERROR,
    SCIM_JSON,
    Reply,
    Request,
    build_error_reply,
    build_html_reply,
)


def answer_early(request: Request, behaviour: Behaviour) -> Reply | None:
    """Returns the reply to a request that does not reach the endpoint; None for any other request."""
    if behaviour.trailing_slash == "required" and not request.has_trailing_slash:
        query = f"?{request.query}" if request.query else ""
        location = f"{request.base_url}{request.path}/{query}"
        return Reply(308, headers=(("Location", location),), media_type="text/plain")
    if request.method == "PATCH" and not behaviour.patch_routed:
        return build_html_reply(404, HTML_ERROR.format(status=404))
    if request.body and not behaviour.scim_media_type and SCIM_JSON in request.headers.get("content-type", ""):
        return build_error_reply(ScimError(415, "send application/json"), behaviour)
    return None


def finish(reply: Reply, behaviour: Behaviour) -> Reply:
    """Returns the reply as it arrives at the client."""
    if reply.media_type == SCIM_JSON and not behaviour.scim_media_type:
        reply = replace(reply, media_type="application/json")
    return FORMS[behaviour.answer_form](reply)
