"""A planted mistake, and the test that must find it."""

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Mutant:
    """A mistake that would hurt, as one changed place in one file of the product."""

    mistake: str
    """What the changed code does wrong."""
    file: str
    """The file, relative to the repository."""
    original: str
    """The text that is replaced. It occurs once in the file."""
    mutated: str
    """The text that takes its place."""
    test: str
    """The test that must fail, as an argument of pytest."""
    seconds: float = 60.0
    """Seconds within which the test must fail, the start of its servers included."""

    @property
    def test_name(self) -> str:
        """File and name of the test, without its parameters."""
        return self.test.partition("[")[0]

    def plant(self, source: str) -> str:
        """Returns the source with the mistake. Raises ``ValueError`` unless the original text occurs exactly once."""
        found = source.count(self.original)
        if found != 1:
            raise ValueError(
                f"the text of the mutant is in {self.file} {found} times ({self.mistake}): correct the mutant"
            )
        return source.replace(self.original, self.mutated)
