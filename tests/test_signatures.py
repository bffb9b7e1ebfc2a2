"""What users call says what it takes: types, choices by their words, no options without names."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any, Literal, get_args, get_origin

import partialpool as pp
import pytest
from partialpool import arguments
from partialpool.design.contrasts import NAMES
from partialpool.figures.accessor import Plots
from partialpool.figures.posterior.accessor import PosteriorPlots
from partialpool.inference.intervals.bootstrap import Bootstrap
from partialpool.inference.intervals.profile import Profile
from partialpool.inference.means.marginal_means import MarginalMeans
from partialpool.models.baseline import LinearModel, LinearModelList
from partialpool.simulate.power import Power

CLASSES = (
    *(pp.LinearMixedModel, pp.Posterior, pp.CrossProducts, LinearModel, LinearModelList),
    *(MarginalMeans, Bootstrap, Profile, Power, Plots, PosteriorPlots),
)
#: Arguments that are one of a few words wherever they stand, and functions where they are not.
CHOICES = {
    *("adjust", "backend", "boot_type", "conf_method", "contrasts", "ddf", "effects", "interval"),
    *("kind", "method", "na_action", "new_levels", "pooling", "type"),
}
OTHERS = {("power", "effects"), ("undetermined", "contrasts")}


def public() -> Iterator[tuple[str, Callable[..., Any]]]:
    for name in pp.__all__:
        value = getattr(pp, name)
        if inspect.isfunction(value):
            yield name, value
    for cls in CLASSES:
        for name in dir(cls):
            value = inspect.getattr_static(cls, name)
            if isinstance(value, staticmethod | classmethod):
                value = value.__func__
            if inspect.isfunction(value) and not name.startswith("_"):
                yield f"{cls.__name__}.{name}", value


PUBLIC = dict(public())


def words_of(annotation: Any) -> set[Any]:
    """The words of every Literal in a type."""
    if get_origin(annotation) is Literal:
        return set(get_args(annotation))
    return set().union(*(words_of(part) for part in get_args(annotation)), set())


def test_all_that_is_public_is_looked_at() -> None:
    assert len(PUBLIC) > 100


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_signature_says_what_it_takes(name: str) -> None:
    function = PUBLIC[name]
    signature = inspect.signature(function)
    assert signature.return_annotation is not inspect.Signature.empty
    assert inspect.getdoc(function)
    for parameter in list(signature.parameters.values()):
        if parameter.name in ("self", "cls"):
            continue
        assert parameter.annotation is not inspect.Parameter.empty, parameter
        # `**unknown: Never` is refused by name, by checkers of types and when it is called.
        unnamed = parameter.kind is inspect.Parameter.VAR_KEYWORD
        assert not unnamed or parameter.annotation == "Never", parameter
        if parameter.name in CHOICES and (function.__name__, parameter.name) not in OTHERS:
            text = str(parameter.annotation)
            alias = text.replace("Sequence[", "").replace("Mapping[str, ", "").split(" | ")[0]
            alias = alias.rstrip("]")
            assert alias == "Contrasts" or words_of(getattr(arguments, alias)), parameter


def aliases() -> dict[str, tuple[Any, ...]]:
    return {n: get_args(v) for n, v in vars(arguments).items() if get_origin(v) is Literal}


def test_the_check_reads_the_words_of_the_type() -> None:
    """Every type of choices has its words in one tuple, made from it."""
    tuples = [v for n, v in vars(arguments).items() if n.isupper() and isinstance(v, tuple)]
    for name, words in aliases().items():
        if name != "AnovaType":
            assert any(words is found or words == found for found in tuples), name
    assert {word.lower() for word in arguments.CODINGS} == set(NAMES)


def test_choices_are_written_out_nowhere_else() -> None:
    """No module has a type of words of its own, nor gives words of its own to the check."""
    for module in pkgutil.walk_packages(pp.__path__, "partialpool."):
        if module.name in ("partialpool.arguments", "partialpool._core", "partialpool.__main__"):
            continue
        found = importlib.import_module(module.name)
        source = inspect.getsource(found)
        for line in source.split("check_choice(")[1:]:
            call = line.split("\n")[0]
            assert not any(f'("{w}' in call for words in aliases().values() for w in words), call


@pytest.mark.parametrize("words", aliases().items(), ids=lambda item: item[0])
def test_a_choice_is_taken_however_it_is_spelled(words: tuple[str, tuple[Any, ...]]) -> None:
    if words[0] == "AnovaType":
        return
    for word in words[1]:
        for given in (word, word.upper(), word.title(), word.replace("-", "_"), word + " "):
            for spelled in (given, given.replace("_", "."), given.replace("_", "-")):
                assert arguments.check_choice(spelled, "x", words[1]) == word


DRAWN = {
    **{f"fit.plot.{n}": m for n, m in vars(Plots).items() if not n.startswith("_")},
    **{f"post.plot.{n}": m for n, m in vars(PosteriorPlots).items() if not n.startswith("_")},
}


@pytest.mark.parametrize("name", DRAWN)
def test_a_door_to_a_figure_is_the_figures_own(name: str) -> None:
    method = DRAWN[name]
    module = inspect.getmodule(method)
    (called,) = (n for n in method.__code__.co_names if n.startswith("plot_"))
    function = getattr(module, called)
    ours, theirs = inspect.signature(method), inspect.signature(function)
    assert list(ours.parameters.values())[1:] == list(theirs.parameters.values())[1:]
    assert ours.return_annotation == theirs.return_annotation
    assert method.__doc__ == function.__doc__
    assert "Parameters\n" in (inspect.getdoc(method) or "")
