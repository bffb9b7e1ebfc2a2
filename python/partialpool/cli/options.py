"""Options that several commands share, each with its words of help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

#: Counts above this are typing errors.
MOST = 10**9

Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        show_default=False,
        help="A CSV, TSV, Parquet or Arrow file, `-` for CSV on standard input, or a shipped data"
        " set (`partialpool data` lists them).",
    ),
]
DataOrFit = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        show_default=False,
        help="As for `partialpool fit`; or, without FORMULA, a fit that was stored with --save.",
    ),
]
WrittenFormula = Annotated[
    str,
    typer.Argument(
        metavar="FORMULA",
        show_default=False,
        help="As lme4's: 'Reaction ~ Days + (Days | Subject)', in quotes.",
    ),
]
OptionalFormula = Annotated[
    str | None,
    typer.Argument(
        metavar="FORMULA",
        show_default=False,
        help="As lme4's: 'Reaction ~ Days + (Days | Subject)', in quotes.",
    ),
]
Ml = Annotated[bool, typer.Option("--ml", help="Maximum likelihood instead of REML.")]
Weights = Annotated[str | None, typer.Option(metavar="COLUMN", help="Column of prior weights.")]
Offset = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="Column added to the linear predictor.")
]
Factors = Annotated[
    list[str] | None,
    typer.Option(
        "--factor", metavar="COLUMN", help="Repeated; take a column of numbers as a factor."
    ),
]
Contrasts = Annotated[
    list[str] | None,
    typer.Option(
        metavar="COLUMN=CODING",
        help="Repeated; treatment (default), sum, helmert, poly, SAS or diff.",
    ),
]
Separator = Annotated[
    str | None,
    typer.Option("--sep", metavar="CHARACTER", help="Separator of text data; `tab` for tabs."),
]
Decimal = Annotated[
    str | None, typer.Option("--decimal", metavar="CHARACTER", help="Decimal mark of text data.")
]
Missing = Annotated[
    list[str] | None,
    typer.Option("--na", metavar="TEXT", help="Repeated; what stands for a missing value, as `.`."),
]
Ddf = Annotated[
    str,
    typer.Option(
        metavar="METHOD",
        help="Degrees of freedom: satterthwaite, kenward-roger or asymptotic.",
    ),
]
Level = Annotated[float, typer.Option(help="Level of the intervals.")]
AsJson = Annotated[bool, typer.Option("--json", help="All numbers as JSON on standard output.")]
Seed = Annotated[int | None, typer.Option(help="Same seed, same numbers.", show_default=False)]
Out = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Write the table: a .csv, .tsv, .parquet or .feather file."),
]


#: The design of a simulation.
Frame = Annotated[
    str | None,
    typer.Option(
        metavar="DATA", help="Predictors and groups: a file or a shipped data set; or --groups."
    ),
]
Groups = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=SIZE",
        help="Repeated; levels, or their labels with commas. Several are crossed;"
        " school/class=3 nests three classes in each school.",
    ),
]
Within = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUES",
        help="Repeated; a variable that every group sees all values of: x=-1,0,1 or x=1..10.",
    ),
]
Between = Annotated[
    list[str] | None,
    typer.Option(
        metavar="GROUP:NAME=VALUES",
        help="Repeated; a variable constant within a group: school:arm=control,drug.",
    ),
]
Replicates = Annotated[int, typer.Option(max=MOST, help="Rows of each combination.")]
Beta = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NUMBERS",
        help="Fixed effects in the order of the columns, 6,4; or repeated, Intercept=6.",
    ),
]
Sd = Annotated[
    list[str] | None,
    typer.Option(
        metavar="GROUP=NUMBERS",
        help="Repeated; standard deviations of the group's random effects: school=3,2.",
    ),
]
Cor = Annotated[
    list[str] | None,
    typer.Option(metavar="GROUP=NUMBERS", help="Repeated; correlations, default none."),
]
Sigma = Annotated[float, typer.Option(help="Residual standard deviation.")]
