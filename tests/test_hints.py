"""Names of R and statsmodels: the error says what they are called here."""

import pickle
import warnings

import partialpool as pp
import pytest
from partialpool.hints import ARGUMENTS, OF_A_FIT, OF_THE_PACKAGE

MODEL = "Reaction ~ Days + (Days | Subject)"


@pytest.fixture(scope="module")
def fit():
    return pp.lmer(MODEL, pp.load_dataset("sleepstudy"))


@pytest.mark.parametrize("name", OF_A_FIT)
def test_names_that_other_packages_give_to_parts_of_a_fit(fit, name):
    with pytest.raises(AttributeError, match=f"LinearMixedModel has no '{name}'; "):
        getattr(fit, name)


@pytest.mark.parametrize("name", OF_THE_PACKAGE)
def test_functions_of_other_packages(name):
    with pytest.raises(AttributeError, match=f"partialpool has no '{name}'; "):
        getattr(pp, name)


@pytest.mark.parametrize("name", ["params", "bse", "pvalues"])
def test_least_squares_have_hints_too(name):
    with pytest.raises(AttributeError, match=f"LinearModel has no '{name}'; "):
        getattr(pp.lm("Reaction ~ Days", pp.load_dataset("sleepstudy")), name)


@pytest.mark.parametrize("name", ARGUMENTS)
@pytest.mark.parametrize("function", ["lmer", "lm", "sample"])
def test_arguments_of_other_packages(function, name):
    with pytest.raises(TypeError, match=rf"^{function}\(\) has no argument {name}=; "):
        getattr(pp, function)("y ~ 1", {}, **{name: 1})


def test_other_names_are_refused_as_python_does(fit):
    with pytest.raises(AttributeError, match=r"^LinearMixedModel has no 'nosuch'$"):
        fit.nosuch  # noqa: B018
    with pytest.raises(TypeError, match="unexpected keyword argument 'nosuch'"):
        pp.lmer(MODEL, {}, nosuch=1)
    assert not hasattr(fit, "__nosuch__")
    assert pickle.loads(pickle.dumps(fit)).sigma == fit.sigma


def test_a_property_that_fails_within_is_not_called_missing(fit, monkeypatch):
    def broken(self):
        return self.convergence.nothing

    monkeypatch.setattr(type(fit), "is_singular", property(broken))
    with pytest.raises(AttributeError, match="'nothing'"):
        fit.is_singular  # noqa: B018


def test_the_data_keep_their_name_in_the_summary():
    some_sleep = pp.load_dataset("sleepstudy")
    assert "   Data: some_sleep\n" in str(pp.lmer(MODEL, some_sleep).summary())


def test_data_sets_in_any_case_and_nearly_right():
    assert len(pp.load_dataset("SleepStudy")) == 180
    with pytest.raises(pp.errors.FileError, match="did you mean 'sleepstudy'"):
        pp.load_dataset("sleepstudi")


def test_one_fit_is_sent_to_the_right_table():
    with pytest.raises(pp.errors.ArgumentError, match=r"pp\.aov\(formula, data\)"):
        pp.anova(pp.lm("Reaction ~ Days", pp.load_dataset("sleepstudy")))


def test_priors_as_text_are_the_priors():
    data = pp.load_dataset("pulp")
    model = "bright ~ 1 + (1 | operator)"
    how = {"chains": 1, "warmup": 150, "draws": 150, "seed": 1}
    with warnings.catch_warnings(action="ignore"):  # so few draws have not mixed
        made = [
            pp.sample(model, data, priors=priors, **how)
            for priors in (
                {"sd": pp.half_normal(1), "Intercept": pp.normal(60, 2)},
                {"sd": "half_normal(1)", "Intercept": "pp.normal(60, 2)"},
            )
        ]
    assert (made[0].values == made[1].values).all()
    with pytest.raises(pp.errors.ArgumentError, match="there is no prior 'halfnormal'"):
        pp.sample(model, data, priors={"sd": "halfnormal(1)"}, **how)


def test_correlations_of_fixed_effects_have_readable_heads():
    data = pp.load_dataset("irrigation")
    text = str(pp.lmer("yield ~ irrigation * variety + (1 | field)", data).summary())
    table = text.split("Correlation of Fixed Effects:\n")[1]
    assert table.split()[:6] == ["(Intr)", "irrgt2", "irrgt3", "irrgt4", "vrtyv2", "irr2:2"]
    assert "irrgtn2:vr2" in table
