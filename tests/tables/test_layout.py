"""Names that are shortened stay different."""

import numpy as np
import pytest
from partialpool.tables.layout import short_labels


def test_short_ones_are_left_as_they_are():
    assert short_labels(["a", "b" * 9, "a"], 9) == ["a", "b" * 9, "a"]


@pytest.mark.parametrize(
    "names",
    [
        [f"Gesamtschule Sankt Augustin {i}" for i in range(45)],
        [f"{i} Gesamtschule Sankt Augustin" for i in range(45)],
        [f"Gesamtschule {i} Sankt Augustin in der Aue" for i in range(45)],
        [f"{'w' * 40}{i}{'v' * 40}" for i in range(45)],
        ["x" * n for n in range(30, 60)],
        [*("x" * n for n in range(30, 60)), "x" * 8 + "…" + "x" * 7],
    ],
)
@pytest.mark.parametrize("most", [12, 16, 22])
def test_long_ones_stay_different_and_in_order(names, most):
    short = short_labels(names, most)
    assert len(set(short)) == len(names)
    assert max(map(len, short)) <= most
    twice = short_labels([*names, *names], most)
    assert twice == [*short, *short]


def test_the_ends_are_kept():
    name = "standard curriculum with tutoring in the afternoon"
    (short,) = short_labels([name], 22)
    assert short == "standard curricu…rnoon"
    assert len(short_labels(np.array([name, name + " 2"]).tolist(), 22)[1]) == 22
