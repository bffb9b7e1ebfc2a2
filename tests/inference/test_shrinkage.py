"""No-pooling effects over BLUPs."""

import numpy as np
import partialpool as pp
import pytest


def test_pulp_is_shrunk_alike_for_every_operator() -> None:
    fit = pp.lmer("bright ~ 1 + (1 | operator)", pp.load_dataset("pulp"))
    found = fit.shrinkage()
    np.testing.assert_allclose(found["ratio"], 1.312117, rtol=2e-6)
    np.testing.assert_allclose(found["no_pooling"], [-0.16, -0.34, 0.22, 0.28], rtol=1e-10)
    blups = [-0.1219403, -0.2591231, 0.1676679, 0.2133955]
    np.testing.assert_allclose(found["blup"], blups, rtol=2e-6)
    assert list(found["level"]) == ["a", "b", "c", "d"]


def test_unbalanced_ratio_is_one_plus_residual_over_group_precision() -> None:
    data = pp.load_dataset("pulp")[3:]
    fit = pp.lmer("bright ~ 1 + (1 | operator)", data)
    sizes = data.groupby("operator").size().to_numpy()
    expected = 1 + 1 / (sizes * fit.theta.iloc[0] ** 2)
    np.testing.assert_allclose(fit.shrinkage()["ratio"], expected, rtol=1e-8)


def test_slopes_without_pooling_are_the_separate_regressions() -> None:
    sleep = pp.load_dataset("sleepstudy")
    fit = pp.lmer("Reaction ~ Days + (Days | Subject)", sleep)
    separate = pp.lm_list("Reaction ~ Days | Subject", sleep).coef()
    found = fit.shrinkage()
    for term in ("Intercept", "Days"):
        own = found[found["term"] == term]["no_pooling"].to_numpy()
        np.testing.assert_allclose(own, separate[term] - fit.fixef[term], rtol=1e-7)


def test_crossed_weighted_terms_are_each_shrunk_given_the_others() -> None:
    data = pp.load_dataset("penicillin_assay")
    data["w"] = 1.0 + np.arange(len(data)) % 3
    fit = pp.lmer("diameter ~ 1 + (1 | plate) + (1 | sample)", data, weights="w")
    found = fit.shrinkage()
    for group, theta in (("plate", fit.theta.iloc[0]), ("sample", fit.theta.iloc[1])):
        weight = data.groupby(group)["w"].sum().to_numpy()
        ratio = found[found["group"] == group]["ratio"]
        np.testing.assert_allclose(ratio, 1 + 1 / (weight * theta**2), rtol=1e-7)


def test_no_variance_is_shrunk_without_bound() -> None:
    fit = pp.lmer("Yield ~ 1 + (1 | Batch)", pp.load_dataset("dyestuff2"))
    found = fit.shrinkage()
    assert np.isinf(found["ratio"]).all()
    assert (found["blup"] == 0).all()


def test_levels_that_cannot_stand_alone_have_no_effect_of_their_own() -> None:
    sleep = pp.load_dataset("sleepstudy")
    subject = sleep["Subject"].iloc[0]
    data = sleep[(sleep["Subject"] != subject) | (sleep["Days"] == 3)]
    found = pp.lmer("Reaction ~ Days + (Days | Subject)", data).shrinkage()
    own = found["level"] == str(subject)
    assert np.isnan(found["no_pooling"][own]).all()
    assert found["no_pooling"][~own].notna().all()
    assert np.isfinite(found["blup"]).all()


def test_a_fit_without_rows_says_so(tmp_path) -> None:
    fit = pp.lmer("bright ~ 1 + (1 | operator)", pp.load_dataset("pulp"))
    fit.save(tmp_path / "fit.pp")
    with pytest.raises(pp.errors.DataError, match="without its rows"):
        pp.load(tmp_path / "fit.pp").shrinkage()
