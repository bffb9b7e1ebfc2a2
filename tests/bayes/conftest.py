"""One posterior for all that only read it."""

from __future__ import annotations

import numpy as np
import partialpool as pp
import pytest

SLOPE = "Reaction ~ Days + (Days | Subject)"


@pytest.fixture(scope="session")
def sleepstudy():
    return pp.load_dataset("sleepstudy")


@pytest.fixture(scope="session")
def slope_fit(sleepstudy):
    return pp.lmer(SLOPE, sleepstudy)


@pytest.fixture(scope="session")
def slope_posterior(sleepstudy):
    return pp.sample(SLOPE, sleepstudy, warmup=400, draws=1000, seed=20, progress=False)


def log_posterior(fit, *, beta=None, sigma=None, sd=None, eta=1.0, prior_only=False):
    """The native log-posterior of a fit's data, one prior for all parameters of a kind."""
    from partialpool import _core

    flat = ("flat", [])
    factors = fit.design.factors
    return _core.LogPosterior(
        fit._products,
        [beta or flat] * len(fit.beta),
        sigma or flat,
        [[sd or flat] * len(f.names) for f in factors],
        [[eta] * len(f.blocks) for f in factors],
        prior_only,
    )


def standard_error(draws):
    """Monte-Carlo standard error of the mean of draws (chains, draws)."""
    from partialpool.bayes.summaries import mixing

    return float(np.std(draws)) / np.sqrt(mixing(np.ascontiguousarray(draws))["ess_bulk"])
