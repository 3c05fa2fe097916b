"""Random companies, changes and drafts of a mapping, each from a seed."""

from random import Random
from typing import Any

from sandbox.declaree.behaviour import Behaviour
from sandbox.personio.catalogue import PERSONNEL_NUMBER, TITLE, TRAVEL_GROUP
from services.contracts.mappings import (
    ENTERPRISE,
    MANAGER,
    AttributeSource,
    ConstantSource,
    EmploymentDates,
    MappingDocument,
    Rule,
    default_mapping,
)
from services.contracts.outcomes import Intent
from tests.system.pipeline import Pipeline

OWN = "urn:ietf:params:scim:schemas:extension:declaree:2.0:User"
"""Declaree's own extension."""
FIELDS = {
    "title": TITLE,
    "name.middleName": "preferred_name",
    f"{OWN}:code": TRAVEL_GROUP,
    f"{ENTERPRISE}:department": "department.name",
    f"{ENTERPRISE}:costCenter": "subcompany.name",
    f"{ENTERPRISE}:employeeNumber": PERSONNEL_NUMBER,
    'phoneNumbers[type eq "work"].value': "office.name",
}
"""Attributes of Personio by the field that a rule writes with them."""
MISSING = ("leave", "clear", "reject")


def draw_mapping(random: Random) -> MappingDocument:
    """Returns a draft: some of the fields, other rules for the life cycle and dates, and rarely another prefix."""
    rules = list(default_mapping().rules)
    for target, attribute in FIELDS.items():
        if random.random() < 0.4:
            source: Any = AttributeSource(attribute=attribute)
            if random.random() < 0.2:
                source = ConstantSource(value=random.choice(["constant", "Berlin", None]))
            rules.append(Rule(target=target, source=source, on_missing=random.choice(MISSING)))
    if random.random() < 0.2:
        rules = [rule for rule in rules if rule.target != MANAGER]
    life_cycle = {"leave": random.choice(list(Intent)[:3]), "onboarding": random.choice(list(Intent)[:3])}
    return MappingDocument(
        rules=tuple(rules),
        life_cycle=life_cycle if random.random() < 0.4 else {},
        external_id_prefix="nl-" if random.random() < 0.2 else "",
        employment=EmploymentDates(
            days_before_start=random.choice([None, 0, 30]), disable_after_last_day=random.random() < 0.3
        ),
    )


def add_strangers(random: Random, pipeline: Pipeline) -> None:
    """Adds accounts that exist before the sync: some fit an employee, others are disabled, privileged, or have another name."""
    for person in pipeline.personio.company.list_employees():
        if not person.email or random.random() > 0.2:
            continue
        body: dict[str, Any] = {
            "userName": person.email.strip(),
            "emails": [{"value": person.email.strip(), "type": "work", "primary": True}],
            "name": {"givenName": person.values["first_name"], "familyName": person.values["last_name"]},
            "active": random.random() < 0.8,
        }
        if random.random() < 0.3:
            body["name"] = {"givenName": "Other", "familyName": "Person"}
        if random.random() < 0.3:
            body["externalId"] = random.choice([str(person.id), "foreign-1"])
        if random.random() < 0.2:
            body["roles"] = [{"value": "administrator"}]
        if pipeline.declaree.directory.find_users_by_name(body["userName"]):
            continue
        pipeline.declaree.registry.create("User", body, Behaviour(id_format="uuid"))


def change_company(random: Random, pipeline: Pipeline) -> set[str]:
    """Changes employees. Returns the ids of those with an address that moves from one employee to another."""
    moved: set[str] = set()
    people = pipeline.personio.company.list_employees()
    for person in people:
        draw = random.random()
        if draw < 0.1:
            pipeline.change(person.id, last_name=random.choice(["Neumann", " Trimmed ", "Öz"]))
        elif draw < 0.16:
            pipeline.change(person.id, email=f"new.{person.id}@nordlicht.example")
        elif draw < 0.26:
            pipeline.change(person.id, status=random.choice(["inactive", "leave", "active", "onboarding"]))
        elif draw < 0.32:
            pipeline.change(person.id, supervisor=random.choice(pipeline.personio.company.list_employees()).id)
        elif draw < 0.35:
            pipeline.change(person.id, email=None)
        elif draw < 0.4:
            pipeline.change(person.id, **{TITLE: random.choice(["Head", "", None])})
        elif draw < 0.43:
            pipeline.change(person.id, email=take_address(pipeline, f"taken.{person.id}@nordlicht.example"))
        elif draw < 0.46:
            pipeline.personio.company.delete(person.id, pipeline.personio.now())
    for _ in range(random.randrange(4)):
        pipeline.hire(status="active")
    if random.random() < 0.5:
        moved |= _move_address(random, pipeline)
    return moved


def take_address(pipeline: Pipeline, address: str) -> str:
    """Returns the address after an account that the product does not manage has got it."""
    name = {"givenName": "Other", "familyName": "Person"}
    body = {"userName": address, "emails": [{"value": address, "type": "work"}], "name": name}
    pipeline.declaree.registry.create("User", body, Behaviour(id_format="uuid"))
    return address


def _move_address(random: Random, pipeline: Pipeline) -> set[str]:
    """Gives the address of one employee to another, and for half of the time the other way round, too."""
    with_address = [person for person in pipeline.personio.company.list_employees() if person.email]
    first, second = random.sample(with_address, 2)
    pipeline.change(first.id, email=f"aside.{first.id}@nordlicht.example")
    pipeline.change(second.id, email=first.email)
    if random.random() < 0.5:
        pipeline.change(first.id, email=second.email)
    return {str(first.id), str(second.id)}


def change_accounts(random: Random, pipeline: Pipeline) -> None:
    """Changes some accounts by hand, as an administrator of Declaree does."""
    for entry in list(pipeline.declaree.directory.users.values()):
        if random.random() < 0.1:
            changes: dict[str, Any] = random.choice([{"title": "by hand"}, {"active": False}, {"nickName": "Nick"}])
            pipeline.declaree.registry.replace(entry, {**entry.resource, **changes}, Behaviour())
