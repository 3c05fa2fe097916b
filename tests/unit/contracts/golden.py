"""The golden examples: what was once written to Kafka must be readable for as long as it may be kept."""

from pathlib import Path
from typing import Any, TypeAlias

from services.contracts.envelope import DeadLetter, Record, to_record
from services.contracts.events import EVENTS, Event

GOLDEN = Path(__file__).parents[2] / "golden"

Contract: TypeAlias = type[Event] | type[DeadLetter]
CONTRACTS: tuple[Contract, ...] = (*EVENTS, DeadLetter)

EVENT_FILES = sorted((GOLDEN / "events").glob("*/v*/*.json"))


def version_of(contract: Contract) -> int:
    """Dead letters have no number in them; a second version of their headers would be a class of its own."""
    field: Any = contract.model_fields.get("schema_version")
    return int(field.default) if field else 1


def folder_of(contract: Contract) -> Path:
    return GOLDEN / "events" / contract.__name__ / f"v{version_of(contract)}"


def contract_of(file: Path) -> Contract:
    return next(contract for contract in CONTRACTS if folder_of(contract) == file.parent)


def name_of(file: Path) -> str:
    """As which example a test reports the file."""
    return "/".join(file.parts[-3:])


def golden_records() -> list[Record]:
    """What is sent for each of the golden events."""
    files = [(contract_of(file), file.read_bytes()) for file in EVENT_FILES]
    return [to_record(contract.model_validate_json(text)) for contract, text in files if issubclass(contract, Event)]
