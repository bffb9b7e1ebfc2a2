"""Summaries built from reference values of R's fits, and what R printed for them."""

import math

import numpy as np
import pytest
from partialpool.models.summary import Summary, VarianceRow

from tests.references import REFERENCE, read_reference

METHODS = {"satterthwaite": "Satterthwaite's", "kr": "Kenward-Roger's"}
DATA = {
    "sleep": "sleepstudy",
    "penicillin_crossed": "Penicillin",
    "penicillin_faraway": "penicillin",
    "dyestuff2": "Dyestuff2",
    "pastes": "Pastes",
    "insteval": "InstEval",
    "dragons": "dragons",
}


def plain(name):
    return "Intercept" if name == "(Intercept)" else name


def variance_rows(varcorr):
    """Rows of lme4's as.data.frame(VarCorr(fit)) as one row a standard deviation."""
    rho = {(r["grp"], r["var1"], r["var2"]): r["sdcor"] for r in varcorr if r["var2"]}
    rows, earlier = [], {}
    for r in varcorr:
        if r["var2"]:
            continue
        group, name = r["grp"], r["var1"]
        names = earlier.setdefault(group, [])
        correlations = tuple(rho[group, before, name] for before in names)
        rows.append(VarianceRow(group, plain(name or ""), r["vcov"], r["sdcor"], correlations))
        names.append(name)
    return tuple(rows)


def read_fit(name):
    return read_reference(f"tables/fit_{name}")


def make_summary(name, ddf="satterthwaite", **changes):
    fit = read_fit(name)
    table = fit["coef_kr" if ddf == "kr" else "coef_satterthwaite"]

    def column(key):
        return np.array([row[key] for row in table], dtype=float)

    vcov = np.array(fit["vcov"], dtype=float).reshape(len(table), len(table))
    sd = np.sqrt(np.diag(vcov))
    if fit["reml"]:
        criterion = {"REML criterion": fit["criterion"]}
    else:
        criterion = {"AIC": fit["AIC"], "BIC": fit["BIC"], "logLik": fit["logLik"]}
        criterion |= {"deviance": fit["criterion"], "df.resid": fit["n"] - fit["df"]}
    kind = "REML" if fit["reml"] else "maximum likelihood"
    title = f"Linear mixed model fit by {kind}"
    if ddf is not None:
        title += f". t-tests use {METHODS[ddf]} method"
    parts = {
        "title": title,
        "formula": fit["formula"],
        "data_name": next((v for k, v in DATA.items() if name.startswith(k)), name),
        "criterion": criterion,
        "residual_quantiles": tuple(fit["scaled_residual_quantiles"]),
        "variance_rows": variance_rows(fit["varcorr"]),
        "nobs": fit["n"],
        "ngroups": fit["ngroups"],
        "terms": tuple(plain(row["term"]) for row in table),
        "estimate": column("Estimate"),
        "std_error": column("Std. Error"),
        "statistic": column("t value"),
        "df": None if ddf is None else column("df"),
        "p_value": None if ddf is None else column("Pr(>|t|)"),
        "correlation": vcov / np.outer(sd, sd),
    }
    return Summary(**(parts | changes))


@pytest.fixture
def summary_of():
    return make_summary


@pytest.fixture
def reference_fit():
    return read_fit


@pytest.fixture
def printed_by_r():
    def read(name):
        lines = (
            (REFERENCE / "tables" / f"summary_{name}.txt").read_text(encoding="utf-8").splitlines()
        )
        return lines[1:]  # after the line on how it was made

    return read


@pytest.fixture
def zero_variance_rows():
    return (
        VarianceRow("g", "Intercept", 0.0, 0.0),
        VarianceRow("g", "x", 4.0, 2.0, (math.nan,)),
        VarianceRow("Residual", "", 1.0, 1.0),
    )
