"""The sandbox under the conformity checks of the package ``scim2-tester``, with deletion switched on.

Every check must pass, except for the deviations listed here. A listed deviation that no longer occurs fails the test as
well.
"""

from typing import Any

import httpx
import pytest
from scim2_client import BaseSyncSCIMClient, RequestNetworkException
from scim2_tester import Status, check_server
from scim2_tester.utils import CheckResult

from sandbox.declaree.app import create_app
from sandbox.declaree.behaviour import Behaviour
from sandbox.declaree.endpoint import BASE_PATH
from sandbox.declaree.state import Declaree
from tests.sandbox.declaree.in_process import DECLAREE, KEY
from tests.support.serving import serve_in_thread

DEVIATIONS = {
    # Declaree's table of users has a column "Enabled" of yes or no, without a third state. A removed value is therefore
    # set to its default, which RFC 7643, section 2.5 leaves to the server.
    ("User", "check_remove_attribute", "active"): Status.ERROR,
    # The custom extension has lists of assistants and of secretaries. The check adds to each list twice and expects the
    # second value to replace the first, although "add" appends to a list (RFC 7644, section 3.5.2.1).
    ("User", "check_add_attribute", f"{DECLAREE}:assistants"): Status.ERROR,
    ("User", "check_add_attribute", f"{DECLAREE}:secretaries"): Status.ERROR,
    # A search over all resource types is optional. Declaree's endpoint serves Okta and Entra ID, which do not need it.
    ("User", "search_with_attributes", None): Status.SKIPPED,
    ("Group", "search_with_attributes", None): Status.SKIPPED,
}


class HttpxSCIMClient(BaseSyncSCIMClient):
    """SCIM client of ``scim2-tester`` that sends its requests over httpx."""

    def __init__(self, client: httpx.Client) -> None:
        super().__init__()
        self._client = client

    def request(self, method: str, url: str, **options: Any) -> httpx.Response:
        try:
            return self._client.request(method, url, **options)
        except httpx.RequestError as error:
            raise RequestNetworkException from error


def run_checks(**behaviour: Any) -> list[CheckResult]:
    """Runs all checks against a sandbox with this behaviour."""
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/scim+json"}
    declaree = Declaree(api_key=KEY, behaviour=Behaviour.model_validate({"delete": "allowed", **behaviour}))
    with serve_in_thread(create_app(declaree)) as address:
        base = address + BASE_PATH
        with httpx.Client(base_url=base, headers=headers, timeout=30) as client:
            return check_server(HttpxSCIMClient(client))


def collect_deviations(results: list[CheckResult]) -> dict[tuple[str | None, str | None, str | None], Status]:
    """Returns the results that did not pass, by resource type, check and attribute."""
    accepted = {Status.SUCCESS, Status.COMPLIANT, Status.ACCEPTABLE}
    return {
        (result.resource_type, result.title, result.data.get("urn") if isinstance(result.data, dict) else None): (
            result.status
        )
        for result in results
        if result.status not in accepted
    }


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param({}, id="as Declaree is documented"),
        pytest.param(
            {"filters": "full", "search": True, "versions": True, "patch_answer": 204, "unknown_attributes": "refuse"},
            id="as the RFC has it",
        ),
        pytest.param({"id_format": "uuid", "unmatched_value_path": "create", "external_id": "unique"}, id="otherwise"),
    ],
)
def test_conformity_checks_pass_except_for_known_deviations(behaviour: dict[str, Any]) -> None:
    """An independent checker confirms the endpoint; the number shows that its checks ran."""
    results = run_checks(**behaviour)

    assert len(results) > 140
    assert collect_deviations(results) == DEVIATIONS
