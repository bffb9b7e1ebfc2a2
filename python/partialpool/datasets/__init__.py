"""The data sets of the tutorials and of lme4's examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib.resources import as_file, files
from typing import TYPE_CHECKING

from partialpool.errors import FileError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Dataset:
    """One shipped table.

    Attributes
    ----------
    file
        In ``partialpool/datasets/data``.
    about
        What was measured, and where it comes from.
    factors
        Columns that are factors though they are written as numbers.
    formula
        A model that is usually fitted to it.
    units
        Units of columns; the frame has them as ``attrs["units"]``, and figures write them on axes.
    """

    file: str
    about: str
    factors: tuple[str, ...] = ()
    formula: str = ""
    units: Mapping[str, str] = field(default_factory=dict)


DATASETS: dict[str, Dataset] = {
    "sleepstudy": Dataset(
        "sleepstudy.csv",
        "reaction time (ms) of 18 subjects on 10 days of sleep deprivation (Belenky et al. 2003)",
        ("Subject",),
        "Reaction ~ Days + (Days | Subject)",
        {"Reaction": "ms"},
    ),
    "pulp": Dataset(
        "pulp.csv",
        "brightness of 20 sheets of paper made by 4 operators (Sheldon 1960; Faraway)",
        (),
        "bright ~ 1 + (1 | operator)",
    ),
    "penicillin": Dataset(
        "penicillin.csv",
        "yield of penicillin by 4 treatments in 5 blends (Box, Hunter & Hunter; Faraway)",
        (),
        "yield ~ treat + (1 | blend)",
    ),
    "irrigation": Dataset(
        "irrigation.csv",
        "split-plot trial: yield of 2 varieties in 8 fields under 4 irrigations (Faraway)",
        (),
        "yield ~ irrigation * variety + (1 | field)",
    ),
    "solutions": Dataset(
        "solutions.csv",
        "amount dissolved of 3 solutes in 6 solvents",
        (),
        "dissolve ~ 1 + (1 | solvent) + (1 | solute)",
    ),
    "dragons": Dataset(
        "dragons.csv",
        "intelligence of 200 dragons by wingspan and scales on 5 mountains",
        (),
        "intelligence ~ wingspan * scales + (1 + wingspan | mountain)",
    ),
    "dyestuff": Dataset(
        "dyestuff.csv",
        "yield (g) of dyestuff from 5 preparations of 6 batches (Davies & Goldsmith 1972)",
        (),
        "Yield ~ 1 + (1 | Batch)",
        {"Yield": "g"},
    ),
    "dyestuff2": Dataset(
        "dyestuff2.csv",
        "simulated as dyestuff, without between-batch variance (Box & Tiao 1973)",
        (),
        "Yield ~ 1 + (1 | Batch)",
    ),
    "pastes": Dataset(
        "pastes.csv",
        "strength of a paste in casks nested in batches (Davies & Goldsmith 1972)",
        (),
        "strength ~ 1 + (1 | batch/cask)",
    ),
    "penicillin_assay": Dataset(
        "penicillin_assay.csv",
        "growth zones (mm) of 6 samples on 24 plates: lme4's Penicillin (Davies 1972)",
        (),
        "diameter ~ 1 + (1 | plate) + (1 | sample)",
        {"diameter": "mm"},
    ),
    "cake": Dataset(
        "cake.csv",
        "breakage angle of cakes by recipe and baking temperature (Cook 1938); `temp` is the"
        " temperature as a number",
        ("replicate", "temperature"),
        "angle ~ recipe * temperature + (1 | recipe:replicate)",
        {"angle": "°", "temp": "°F"},
    ),
    "insteval": Dataset(
        "insteval.csv.gz",
        "73,421 lecture ratings at ETH Zürich by 2,972 students of 1,128 lecturers (lme4)",
        ("s", "d", "studage", "lectage", "service", "dept"),
        "y ~ service + (1 | s) + (1 | d) + (1 | dept)",
    ),
}


def list_datasets() -> dict[str, str]:
    """Names of the shipped data sets, and what each is."""
    return {name: entry.about for name, entry in DATASETS.items()}


def shipped_name(name: object) -> str | None:
    """The name of a shipped data set, whatever the case it is written in; None if it is none."""
    return next((own for own in DATASETS if own == str(name).lower()), None)


def load_dataset(name: str) -> pd.DataFrame:
    """A shipped data set as a pandas frame, factors as categoricals.

    Parameters
    ----------
    name
        As `list_datasets` has it; case does not matter.

    Raises
    ------
    FileError
        If there is none of that name.
    """
    import pandas as pd

    entry = DATASETS.get(shipped_name(name) or "")
    if entry is None:
        near = get_close_matches(str(name).lower(), DATASETS, n=1)
        meant = f"did you mean {near[0]!r}? " if near else ""
        raise FileError(f"there is no data set {name!r}; {meant}There are {', '.join(DATASETS)}")
    with as_file(files("partialpool.datasets") / "data" / entry.file) as path:
        frame = pd.read_csv(path)
    for column in frame.columns:
        if column in entry.factors or not pd.api.types.is_numeric_dtype(frame[column]):
            frame[column] = frame[column].astype("category")
    if entry.units:
        frame.attrs["units"] = dict(entry.units)
    return frame
