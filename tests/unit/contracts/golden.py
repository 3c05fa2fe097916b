"""The golden examples: a record that was written once must be readable as long as it may be stored."""

from pathlib import Path
from typing import Any, TypeAlias

from services.contracts.cloudevents import Record, to_record
from services.contracts.dead_letters import DeadLetter
from services.contracts.events import EVENTS, Event

GOLDEN = Path(__file__).parents[2] / "golden"

Contract: TypeAlias = type[Event] | type[DeadLetter]
CONTRACTS: tuple[Contract, ...] = (*EVENTS, DeadLetter)

EVENT_FILES = sorted((GOLDEN / "events").glob("*/v*/*.json"))


def get_version(contract: Contract) -> int:
    """Returns the schema version. Dead letters contain none: a second version would be another class."""
    field: Any = contract.model_fields.get("schema_version")
    return int(field.default) if field else 1


def get_folder(contract: Contract) -> Path:
    """Returns the folder of the contract's examples."""
    return GOLDEN / "events" / contract.__name__ / f"v{get_version(contract)}"


def find_contract(file: Path) -> Contract:
    """Returns the contract of an example."""
    return next(contract for contract in CONTRACTS if get_folder(contract) == file.parent)


def format_name(file: Path) -> str:
    """Returns the name of an example in the reports of pytest."""
    return "/".join(file.parts[-3:])


def build_golden_records() -> list[Record]:
    """Returns the records of all golden events."""
    files = [(find_contract(file), file.read_bytes()) for file in EVENT_FILES]
    return [to_record(contract.model_validate_json(text)) for contract, text in files if issubclass(contract, Event)]
