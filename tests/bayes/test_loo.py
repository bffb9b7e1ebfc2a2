"""Leave-one-out and WAIC against ArviZ on the whole matrix, dense algebra, and sampling again."""

from __future__ import annotations

import numpy as np
import partialpool as pp
import polars as pl
import pytest
from partialpool.bayes import likelihood, prediction
from partialpool.errors import ArgumentError
from scipy.stats import multivariate_normal, norm

from tests.bayes.conftest import SLOPE

RUN = {"warmup": 200, "draws": 250, "seed": 5, "progress": False}


@pytest.fixture(scope="module")
def weighted(sleepstudy):
    frame = sleepstudy.assign(w=1.0 + (sleepstudy["Days"] > 4), o=3.0 * sleepstudy["Days"])
    return pp.sample(SLOPE, frame, weights="w", offset="o", **RUN), frame


def dense_log_likelihood(post, frame):
    """Draws x rows from the random effects themselves, without the library's row blocks."""
    flat = post.values.reshape(-1, post.values.shape[-1])
    effects = post.random_draws[0].reshape(len(flat), 18, 2)
    codes = frame["Subject"].astype("category").cat.codes.to_numpy()
    days = frame["Days"].to_numpy(float)
    mean = flat[:, :1] + effects[:, codes, 0] + (flat[:, 1:2] + effects[:, codes, 1]) * days
    mean += np.asarray(frame.get("o", 0.0 * days))
    sigma = post.draws("sigma").reshape(-1, 1) / np.sqrt(np.asarray(frame.get("w", 1 + 0 * days)))
    return norm.logpdf(frame["Reaction"].to_numpy(), mean, sigma)


def marginal_covariance(frame, sd, correlation, sigma):
    same = frame["Subject"].to_numpy()[:, None] == frame["Subject"].to_numpy()
    days = frame["Days"].to_numpy(float)
    covariance = sd[0] ** 2 + correlation * sd[0] * sd[1] * (days[:, None] + days)
    covariance = covariance + sd[1] ** 2 * np.outer(days, days)
    weights = np.asarray(frame.get("w", 1 + 0 * days))
    return covariance * same + np.diag(sigma**2 / weights)


def every_draw(post):
    names = [n for n in post.variables if n.startswith(("sd", "cor"))] + ["sigma"]
    own = [post.draws(n).ravel() for n in ("Intercept", "Days", *names)]
    return list(zip(*own, strict=True))


def test_blocks_give_what_arviz_gives_on_the_whole_matrix(weighted, monkeypatch):
    from arviz_stats.base import array_stats

    post, frame = weighted
    whole = dense_log_likelihood(post, frame)
    monkeypatch.setattr(prediction, "BLOCK", 7 * len(whole))
    sizes = [block.size for _, block in likelihood.rows_given_effects(post)]
    assert max(sizes) <= prediction.BLOCK
    assert sum(sizes) == whole.size
    ess = [array_stats.ess(post.draws(n), 0, 1, method="mean") for n in post.variables]
    expected = array_stats.loo(
        whole.T.reshape(180, 4, 250), -2, -1, r_eff=np.mean(ess) / len(whole)
    )
    result = post.loo()
    for ours, theirs in zip((result.elpd_i, result.pareto_k, result.p_i), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-7, atol=1e-9)
    assert result.elpd == pytest.approx(expected[0].sum())
    assert result.se == pytest.approx(np.sqrt(180 * np.var(expected[0])))


def test_leaving_out_by_effects_integrated_out_gives_the_same(slope_posterior, sleepstudy):
    # p(y_i | y_-i, draw) is normal with mean y_i - [V⁻¹r]_i / [V⁻¹]_ii and variance 1 / [V⁻¹]_ii;
    # its harmonic mean over the draws is the leave-one-out density, with tame weights.
    y, days = sleepstudy["Reaction"].to_numpy(), sleepstudy["Days"].to_numpy(float)
    logs = []
    for a, b, s0, s1, rho, sigma in every_draw(slope_posterior)[::10]:
        inverse = np.linalg.inv(marginal_covariance(sleepstudy, (s0, s1), rho, sigma))
        pull, precision = inverse @ (y - a - b * days), np.diag(inverse)
        logs.append(norm.logpdf(pull / precision, 0, 1 / np.sqrt(precision)))
    exact = -np.log(np.exp(-np.array(logs)).mean(axis=0))
    result = slope_posterior.loo()
    good = np.setdiff1d(np.arange(180), result.doubtful)
    assert len(good) >= 174
    assert np.abs(result.elpd_i - exact)[good].max() < 0.35
    assert result.elpd == pytest.approx(exact.sum(), abs=2.0)


def test_density_of_a_level_is_that_of_its_marginal_normal(weighted):
    post, frame = weighted
    whole = np.empty((1000, 18))
    for levels, block in likelihood.levels_without_effects(post, "Subject"):
        whole[:, levels] = block
    for level in (0, 7, 17):
        rows = frame[frame["Subject"] == post.fit.design.factors[0].levels[level]]
        for draw in (0, 333, 999):
            a, b, s0, s1, rho, sigma = every_draw(post)[draw]
            mean = a + b * rows["Days"] + rows["o"]
            covariance = marginal_covariance(rows, (s0, s1), rho, sigma)
            expected = multivariate_normal(mean, covariance).logpdf(rows["Reaction"])
            assert whole[draw, level] == pytest.approx(expected, rel=1e-9)


def test_blocks_of_levels_agree_with_all_at_once(weighted, monkeypatch):
    post, _ = weighted
    at_once = post.loo(by="Subject").elpd_i
    monkeypatch.setattr(likelihood, "BLOCK", 5 * 1000 * 4)
    np.testing.assert_allclose(post.loo(by="Subject").elpd_i, at_once, rtol=1e-12)


def test_leaving_out_a_level_is_sampling_without_it(slope_posterior, sleepstudy):
    result = slope_posterior.loo(by="Subject").to_frame().set_index("level")
    table = slope_posterior.priors.priors
    priors = {n: p for n, p in table.items() if not n.startswith("cor")}
    for level in (309, 335):
        rest, own = sleepstudy[sleepstudy.Subject != level], sleepstudy[sleepstudy.Subject == level]
        post = pp.sample(SLOPE, rest, priors=priors, **{**RUN, "draws": 500})
        logs = [
            multivariate_normal(
                a + b * own["Days"], marginal_covariance(own, (s0, s1), rho, sigma)
            ).logpdf(own["Reaction"])
            for a, b, s0, s1, rho, sigma in every_draw(post)
        ]
        assert result.loc[level, "elpd"] == pytest.approx(np.log(np.mean(np.exp(logs))), abs=0.15)


def test_waic_by_its_formula(weighted):
    post, frame = weighted
    whole = dense_log_likelihood(post, frame)
    result = post.waic()
    np.testing.assert_allclose(result.p_i, np.var(whole, axis=0, ddof=1), rtol=1e-6)
    expected = np.log(np.exp(whole).mean(axis=0)) - np.var(whole, axis=0, ddof=1)
    np.testing.assert_allclose(result.elpd_i, expected, rtol=1e-8)
    assert result.elpd == pytest.approx(post.loo().elpd, abs=3)


def test_verdicts_count_what_is_doubtful(slope_posterior):
    result = slope_posterior.loo()
    over = int((result.pareto_k > 0.7).sum() if result.draws > 2200 else -1)
    assert len(result.doubtful) == over > 0
    assert f"Pareto k of {over} of 180 observations is above 0.7" in str(result)
    levels = slope_posterior.loo(by="Subject")
    assert len(levels.elpd_i) == 18
    assert "levels of Subject" in levels.verdict
    assert "use loo()" in slope_posterior.waic().verdict


def test_the_container_of_arviz_holds_the_same(slope_posterior):
    result = slope_posterior.waic()
    theirs = result.to_arviz()
    assert (theirs.kind, theirs.n_data_points, theirs.elpd) == ("waic", 180, result.elpd)
    np.testing.assert_array_equal(theirs.elpd_i.to_numpy(), result.elpd_i)


def test_comparison_is_paired_and_best_first(slope_posterior, sleepstudy):
    intercepts = pp.sample("Reaction ~ Days + (1 | Subject)", sleepstudy, **RUN)
    slope = slope_posterior.loo()
    table = pp.loo_compare({"intercepts": intercepts, "slopes": slope})
    assert list(table["model"]) == ["slopes", "intercepts"]
    gap = intercepts.loo().elpd_i - slope.elpd_i
    assert table["elpd_diff"].tolist() == pytest.approx([0, gap.sum()])
    assert table["se_diff"].tolist() == pytest.approx([0, np.sqrt(180) * gap.std()])
    with pytest.raises(ArgumentError, match="like with like"):
        pp.loo_compare({"a": slope, "b": slope_posterior.waic()})
    fewer = pp.sample(SLOPE, sleepstudy[sleepstudy.Days > 0], **RUN)
    with pytest.raises(ArgumentError, match="different rows"):
        pp.loo_compare({"a": slope_posterior.waic(), "b": fewer.waic()})
    with pytest.raises(ArgumentError, match="neither a posterior"):
        pp.loo_compare({"a": slope, "b": 3})


def test_frames_are_of_the_kind_that_came_in(sleepstudy):
    post = pp.sample(SLOPE, pl.from_pandas(sleepstudy), **RUN)
    frame = post.loo(by="Subject").to_frame()
    assert isinstance(frame, pl.DataFrame)
    assert frame.columns == ["level", "elpd", "p", "pareto_k"]


def test_what_cannot_be_left_out_is_said(sleepstudy):
    tiny = {"chains": 2, "warmup": 20, "draws": 20, "seed": 1, "progress": False}
    without = pp.sample(SLOPE, sleepstudy, keep_random=False, **tiny)
    with pytest.raises(ArgumentError, match="keep_random=True, or leave out whole levels"):
        without.loo()
    assert len(without.loo(by="Subject").elpd_i) == 18
    with pytest.raises(ArgumentError, match="'Subjct'; it has Subject"):
        without.loo(by="Subjct")
    prior = pp.sample(SLOPE, sleepstudy, prior_only=True, **tiny)
    with pytest.raises(ArgumentError, match="prior_only"):
        prior.waic()
    crossed = pp.sample(
        "diameter ~ 1 + (1 | plate) + (1 | sample)", pp.load_dataset("penicillin_assay"), **tiny
    )
    with pytest.raises(ArgumentError, match="one grouping factor"):
        crossed.loo(by="plate")
