"""Which published rows speak of which workload: the rules of data/matches.csv."""

from collections.abc import Iterable
from dataclasses import dataclass, fields

from baselines.tables import DATA, bad_cell, number, read_table

MATCHES = DATA / "matches.csv"


@dataclass(frozen=True)
class Match:
    """One line of data/matches.csv: rows that fit it speak of `workload`, in the `variant` named."""

    workload: str
    model: str
    source: str
    dataset: str
    input_shape: str
    variant: str
    extra_uncertainty: float  # share of the value, added to the row's own
    note: str

    def fits(self, model: str, source: str, dataset: str, input_shape: str) -> bool:
        """Whether a row of this model, source, data set and input is of this workload."""
        return (
            self.model.lower() == model.lower()
            and (self.source == "*" or self.source.lower() in source.lower())
            and self.dataset.lower() in dataset.lower()
            and self.input_shape in ("", input_shape)
        )


def read_matches() -> list[Match]:
    """Every Match of the data file, in its order; raises FileError."""
    names = [field.name for field in fields(Match)]
    return [_match(row, names) for row in read_table(MATCHES, names)]


def find_match(matches: Iterable[Match], model: str, source: str, dataset: str, input_shape: str) -> Match | None:
    """The first Match that fits, or None where the row is of no workload or of another variant."""
    return next((match for match in matches if match.fits(model, source, dataset, input_shape)), None)


def _match(row, names):
    extra = number(row, "extra_uncertainty", MATCHES)
    if not 0 <= extra < 1:
        raise bad_cell(row, "extra_uncertainty", MATCHES, "give 0 to below 1")
    return Match(**{name: row[name] for name in names} | {"extra_uncertainty": extra})
