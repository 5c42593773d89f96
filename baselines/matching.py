"""Which published rows speak of which workload: the rules of data/matches.csv."""

from dataclasses import dataclass

from baselines.errors import FileError
from baselines.tables import DATA, read_table


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

    def fits(self, model, source, dataset, input_shape):
        """Whether a row of this model, source, data set and input is of this workload."""
        return (
            self.model.lower() == model.lower()
            and (self.source == "*" or self.source.lower() in source.lower())
            and self.dataset.lower() in dataset.lower()
            and self.input_shape in ("", input_shape)
        )


def read_matches():
    """Every Match of the data file, in its order; raises FileError."""
    path = DATA / "matches.csv"
    return [_match(row, path) for row in read_table(path, Match.__dataclass_fields__)]


def find_match(matches, model, source, dataset, input_shape):
    """The first Match that fits, or None where the row is of no workload or of another variant."""
    return next((match for match in matches if match.fits(model, source, dataset, input_shape)), None)


def _match(row, path):
    try:
        extra = float(row["extra_uncertainty"])
    except ValueError:
        extra = -1.0
    if not 0 <= extra < 1:
        raise FileError(
            f"{path}, line {row['line']}: extra_uncertainty is {row['extra_uncertainty']}: give 0 to below 1"
        )
    texts = {name: row[name] for name in Match.__dataclass_fields__ if name != "extra_uncertainty"}
    return Match(**texts, extra_uncertainty=extra)
