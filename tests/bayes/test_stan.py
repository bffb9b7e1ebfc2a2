"""`stan_code` and `stan_data`: one describes the other, and both the model of `lmer`."""

import re

import numpy as np
import pandas as pd
import partialpool as pp
import pytest
from partialpool.bayes import priors
from partialpool.errors import PartialPoolError
from scipy.stats import multivariate_normal

FORMULA = "y ~ x * k + (x | s) + (k || i) + (1 | s:i)"


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    design = pp.make_design(
        {"s": 6, "i": 5}, within={"x": [0.0, 1.0, 2.0]}, between={"i": {"k": ["u", "v"]}}
    )
    design = design.assign(w=rng.uniform(0.5, 2, 90), o=rng.normal(size=90))
    sd = {"s": [1, 1], "i": [1, 1], "s:i": 0.5}
    return pp.simulate_lmm(FORMULA, design, [1, 2, 3, 4], sd, {"s": 0.3}, seed=1)


def block(code: str, name: str) -> str:
    return re.search(rf"^{name} {{\n(.*?)^}}", code, re.S | re.M).group(1)


def declared(code: str, name: str = "data") -> dict[str, str]:
    """Names and types of a block's variables."""
    pairs = (re.match(r"  (.+?) (\w+)(?: =.*)?;", line) for line in block(code, name).splitlines())
    return {p.group(2): p.group(1) for p in pairs if p}


@pytest.mark.parametrize("extra", [{}, {"weights": "w"}, {"offset": "o"}])
def test_data_block_names_what_stan_data_gives(frame, extra):
    code, data = pp.stan_code(FORMULA, frame, **extra), pp.stan_data(FORMULA, frame, **extra)
    types = declared(code)
    assert sorted(types) == sorted(data)
    sizes = {name: value for name, value in data.items() if isinstance(value, int)}
    for name, kind in types.items():
        shape = tuple(sizes[v] for v in re.findall(r"\b[NKMJ](?:_\d)?\b", kind.split(">")[-1]))
        if kind.startswith("array"):
            shape = (sizes["N"],)
            assert data[name].min() == 1
            assert data[name].max() == sizes[f"J_{name[-1]}"]
        assert np.shape(data[name]) == shape


def test_stan_data_give_the_likelihood_of_lmer(frame):
    """N(Xβ + offset, ΣZΣZᵀ + σ²/w) from the data block at lmer's estimates is its likelihood."""
    extra = {"weights": "w", "offset": "o"}
    data = pp.stan_data(FORMULA, frame, **extra)
    fit = pp.lmer(FORMULA, frame, reml=False, **extra)
    covariance = np.diag(fit.sigma**2 / data["w"])
    # Terms by their columns: the order of blocks is that of the formula.
    terms = {t.text: fit.sigma**2 * t.covariance for t in fit.terms}
    for r, text in enumerate(["(x | s)", "(k || i)", "(1 | s:i)"], start=1):
        z, g = data[f"Z_{r}"], data[f"g_{r}"]
        covariance += (z @ terms[text] @ z.T) * (g[:, None] == g)
    mean = data["X"] @ fit.beta + data["y_offset"]
    assert multivariate_normal(mean, covariance).logpdf(data["y"]) == pytest.approx(fit.loglik)


def test_correlated_terms_have_cholesky_factors_and_others_none(frame):
    code = pp.stan_code(FORMULA, frame, {"cor": priors.lkj(3)})
    own = declared(code, "parameters")
    assert own["L_1"] == "cholesky_factor_corr[M_1]"
    assert "L_2" not in own
    assert "L_3" not in own
    assert "L_1 ~ lkj_corr_cholesky(3);" in code
    assert "b_1 = diag_pre_multiply(sd_1, L_1) * u_1;" in code
    assert "b_2 = diag_pre_multiply(sd_2, u_2);" in code
    for r in (1, 2, 3):
        assert f"to_vector(u_{r}) ~ std_normal();" in code


def test_mixed_blocks_of_one_factor_follow_each_other():
    frame = pp.make_design({"g": 8}, {"x": [0.0, 1, 2, 4], "z": [0.0, 1, 3]})
    frame = pp.simulate_lmm("y ~ 1 + (1 | g)", frame, 0, 1, seed=1)
    data = pp.stan_data("y ~ 1 + (0 + z || g) + (x | g)", frame)
    code = pp.stan_code("y ~ 1 + (0 + z || g) + (x | g)", frame)
    assert (data["M_1"], data["M_2"]) == (1, 2)
    assert data["J_1"] == data["J_2"] == 8
    np.testing.assert_array_equal(data["Z_1"][:, 0], frame["z"])
    np.testing.assert_array_equal(data["Z_2"][:, 1], frame["x"])
    assert "L_1" not in code
    assert "L_2" in code


PRIORS = [
    (priors.normal(0, 10), "normal(0, 10)", ""),
    (priors.student_t(3, 1, 2.5), "student_t(3, 1, 2.5)", ""),
    (priors.cauchy(0, 2), "cauchy(0, 2)", ""),
    (priors.half_normal(5), "normal(0, 5)", "<lower=0>"),
    (priors.half_student_t(3, 5), "student_t(3, 0, 5)", "<lower=0>"),
    (priors.half_cauchy(5), "cauchy(0, 5)", "<lower=0>"),
    (priors.exponential(0.1), "exponential(0.1)", "<lower=0>"),
    (priors.gamma(2, 0.5), "gamma(2, 0.5)", "<lower=0>"),
    (priors.inv_gamma(2, 1), "inv_gamma(2, 1)", "<lower=0>"),
    (priors.uniform(-1, 100), "uniform(-1, 100)", "<lower=-1, upper=100>"),
]


@pytest.mark.parametrize(("prior", "text", "bounds"), PRIORS, ids=[p.name for p, _, _ in PRIORS])
def test_priors_in_stans_words(frame, prior, text, bounds):
    given = {"b": prior, "Intercept": prior, "sd": prior, "sigma": prior}
    code = pp.stan_code("y ~ x + (x | s)", frame, given)
    for name in ("beta", "sd_1", "sigma"):
        assert f"  {name} ~ {text};\n" in code
    own = declared(code, "parameters")
    assert own["beta"] == f"vector{bounds}[K]"
    positive = bounds.replace("lower=-1", "lower=0") or "<lower=0>"
    assert own["sd_1"] == f"vector{positive}[M_1]"
    assert own["sigma"] == f"real{positive}"


def test_flat_priors_need_no_statement_and_bounds_may_differ(frame):
    given = {"Intercept": priors.flat(), "b": priors.uniform(-5, 5)}
    code = pp.stan_code("y ~ x + (1 | s)", frame, given)
    assert "// beta[1]: flat" in code
    assert "beta[2] ~ uniform(-5, 5);" in code
    assert "lower=[negative_infinity(), -5]', upper=[positive_infinity(), 5]'" in code


def test_a_model_without_fixed_effects_has_no_beta(frame):
    code, data = pp.stan_code("y ~ 0 + (1 | s)", frame), pp.stan_data("y ~ 0 + (1 | s)", frame)
    assert "beta" not in code
    assert "X" not in data


def test_columns_that_depend_on_others_are_left_out(frame):
    data = pp.stan_data("y ~ x + twice + (1 | s)", frame.assign(twice=2 * frame["x"]))
    assert data["K"] == 2


def test_levels_cannot_leave_their_comments(frame):
    odd = "v\n} model { target += 1; // é"
    code = pp.stan_code("y ~ k + (1 | s)", frame.assign(k=frame["k"].map({"u": "u", "v": odd})))
    assert code.isascii()
    for line in code.splitlines():
        assert "target" not in line.partition("//")[0]


BAD = [
    ({"formula": "y ~ x"}, "no random effects"),
    ({"priors": {"slope": priors.normal(0, 1)}}, "'slope'"),
    ({"priors": {"sigma": priors.uniform(-2, -1)}}, "no positive support"),
    ({"priors": {"cor": priors.lkj(2)}}, "no correlations"),
    ({"formula": "y ~ x + (x | s)", "priors": {"cor": priors.normal(0, 1)}}, "takes pp.lkj"),
    ({"formula": "y ~ q + (1 | s)"}, "'q'"),
]


@pytest.mark.parametrize(("changes", "culprit"), BAD, ids=[c for _, c in BAD])
def test_bad_input_is_named(frame, changes, culprit):
    with pytest.raises(PartialPoolError) as caught:
        pp.stan_code(**{"formula": "y ~ x + (1 | s)", "data": frame, **changes})
    assert culprit in str(caught.value)


# ---- the program of a posterior ----------------------------------------------------------------


def test_the_program_of_a_posterior_is_that_of_its_arguments(frame):
    given = {"sd": pp.exponential(2), "b": pp.flat(), "cor": pp.lkj(3)}
    extra = {"weights": "w", "offset": "o"}
    run = {"chains": 1, "warmup": 20, "draws": 20, "seed": 1, "progress": False}
    post = pp.sample(FORMULA, frame, priors=given, **extra, **run)
    assert post.stan_code() == pp.stan_code(FORMULA, frame, given, **extra)
    ours, theirs = post.stan_data(), pp.stan_data(FORMULA, frame, **extra)
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        np.testing.assert_array_equal(ours[name], value)


def test_the_program_of_the_prior_has_no_likelihood(frame):
    run = {"chains": 1, "warmup": 20, "draws": 20, "seed": 1, "progress": False}
    post = pp.sample("y ~ x + (x | s)", frame, prior_only=True, **run)
    whole = pp.stan_code("y ~ x + (x | s)", frame)
    assert "y ~ normal" in whole
    assert "y ~ normal" not in post.stan_code()
    for line in block(whole, "parameters").splitlines():
        assert line in post.stan_code()


def test_a_posterior_without_rows_has_no_program(frame, tmp_path):
    run = {"chains": 1, "warmup": 20, "draws": 20, "seed": 1, "progress": False}
    post = pp.sample("y ~ x + (x | s)", frame, weights="w", **run)
    post.save(tmp_path / "p.zip")
    with pytest.raises(PartialPoolError, match="without its rows"):
        pp.load_posterior(tmp_path / "p.zip").stan_code()
    again = pp.load_posterior(tmp_path / "p.zip", frame, weights="w")
    assert again.stan_code() == post.stan_code()
