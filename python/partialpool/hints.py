"""What users of R and statsmodels look for, and what it is called here."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

#: Names of statsmodels, R and others: what stands for them in a fit.
OF_A_FIT = {
    "params": "the fixed effects are .fixef, with tests .summary().coefficients",
    "fe_params": "the fixed effects are .fixef",
    "coef_": "the fixed effects are .fixef",
    "fixed_effects": "the fixed effects are .fixef",
    "bse": 'standard errors are in .summary().coefficients["std_error"]',
    "bse_fe": 'standard errors are in .summary().coefficients["std_error"]',
    "tvalues": 'statistics are in .summary().coefficients["statistic"]',
    "pvalues": 'p-values are in .summary().coefficients["p_value"]',
    "conf_int": "intervals are given by .confint()",
    "cov_params": "the covariance of the fixed effects is .vcov",
    "cov_re": "variances and correlations are .varcorr",
    "vcomp": "variances and correlations are .varcorr",
    "VarCorr": "variances and correlations are .varcorr",
    "scale": "the residual standard deviation is .sigma",
    "llf": "the log-likelihood is .loglik",
    "logLik": "the log-likelihood is .loglik",
    "AIC": "it is .aic",
    "BIC": "it is .bic",
    "resid": "residuals are given by .residuals()",
    "fittedvalues": "fitted values are .fitted",
    "df_resid": "degrees of freedom are in .summary().coefficients",
    "get_prediction": 'predictions are given by .predict(new, interval="confidence")',
    "t_test": "hypotheses are tested by .test()",
    "f_test": "hypotheses are tested by .test()",
    "wald_test": "hypotheses are tested by .test()",
    "wald_test_terms": "terms are tested by .anova()",
    "summary2": "it is .summary()",
    "plots": "figures are drawn by .plot, as .plot.fits()",
    "converged": "the verdict is .convergence",
    "bootstrap": "it is pp.bootstrap(fit)",
    "emmeans": 'marginal means are given by pp.emmeans(fit, "factor")',
    "to_dataframe": "frames are given by .tidy(), .glance() and .augment()",
}

NO_GLMM = (
    "generalised mixed models are not in this version; pp.lmer fits responses with normal errors"
)
#: Names of R's functions and of others' that fit: what stands for them in the package.
OF_THE_PACKAGE = {
    "glmer": NO_GLMM,
    "glmer_nb": NO_GLMM,
    "glmmTMB": NO_GLMM,
    "glm": NO_GLMM,
    "nlmer": "nonlinear mixed models are not in this version",
    "mixedlm": 'linear mixed models are fitted by pp.lmer("y ~ x + (x | g)", data)',
    "MixedLM": 'linear mixed models are fitted by pp.lmer("y ~ x + (x | g)", data)',
    "Lmer": 'linear mixed models are fitted by pp.lmer("y ~ x + (x | g)", data)',
    "lme": 'linear mixed models are fitted by pp.lmer("y ~ x + (x | g)", data)',
    "lmm": 'linear mixed models are fitted by pp.lmer("y ~ x + (x | g)", data)',
    "ols": 'least squares are pp.lm("y ~ x", data)',
    "lmList": "it is pp.lm_list",
    "brm": "posteriors are sampled by pp.sample(formula, data)",
    "stan_lmer": "posteriors are sampled by pp.sample(formula, data)",
    "fixef": "it belongs to the fit: fit.fixef",
    "ranef": "it belongs to the fit: fit.ranef()",
    "coef": "it belongs to the fit: fit.coef()",
    "VarCorr": "it belongs to the fit: fit.varcorr",
    "vcov": "it belongs to the fit: fit.vcov",
    "sigma": "it belongs to the fit: fit.sigma",
    "logLik": "it belongs to the fit: fit.loglik",
    "AIC": "it belongs to the fit: fit.aic",
    "BIC": "it belongs to the fit: fit.bic",
    "summary": "it belongs to the fit: fit.summary()",
    "residuals": "it belongs to the fit: fit.residuals()",
    "resid": "it belongs to the fit: fit.residuals()",
    "fitted": "it belongs to the fit: fit.fitted",
    "predict": "it belongs to the fit: fit.predict(new)",
    "confint": "it belongs to the fit: fit.confint()",
    "profile": "it belongs to the fit: fit.profile()",
    "drop1": "it belongs to the fit: fit.drop1()",
    "ranova": "it belongs to the fit: fit.ranova()",
    "isSingular": "it belongs to the fit: fit.is_singular",
    "refit": "it belongs to the fit: fit.refit(y)",
    "update": "it belongs to the fit: fit.update(formula)",
    "tidy": "it belongs to the fit: fit.tidy()",
    "glance": "it belongs to the fit: fit.glance()",
    "augment": "it belongs to the fit: fit.augment()",
    "bootMer": "it is pp.bootstrap(fit)",
    "KRmodcomp": "it is pp.kr_test(large, small)",
    "PBmodcomp": "it is pp.pb_test(large, small)",
    "exactRLRT": "it is pp.exact_rlrt(fit)",
    "exactLRT": "it is pp.exact_lrt(fit, null)",
    "power_sim": "it is pp.power(formula, design, effects)",
}

#: Arguments of R's functions: what stands for them here.
ARGUMENTS = {
    "REML": "write reml=",
    "family": NO_GLMM,
    "subset": "take the rows of the table before: data[condition]",
    "na_rm": 'write na_action="drop" or "error"',
    "control": "the search needs no settings; leave it out",
    "groups": 'write the groups into the formula: "y ~ x + (x | g)"',
    "re_formula": 'write the random effects into the formula: "y ~ x + (x | g)"',
    "vc_formula": 'write each factor into the formula: "y ~ x + (1 | a) + (1 | b)"',
    "weight": "write weights=",
    "prior": "write priors={...}",
    "iter": "write draws= (kept) and warmup=",
    "tune": "write warmup=",
}


def missing_attribute(kind: str, name: str, hints: dict[str, str]) -> AttributeError:
    """The error for a name that is not there, with what is meant where that is known."""
    hint = hints.get(name)
    return AttributeError(f"{kind} has no {name!r}" + (f"; {hint}" if hint else ""))


def knows_foreign_arguments(function: Callable[P, R]) -> Callable[P, R]:
    """Say what an argument of R's function of that name is called here."""

    @wraps(function)
    def called(*args: P.args, **kwargs: P.kwargs) -> R:
        for name in kwargs:
            if name in ARGUMENTS:
                raise TypeError(f"{function.__name__}() has no argument {name}=; {ARGUMENTS[name]}")
        return function(*args, **kwargs)

    return called


class Hinted:
    """Base of fits: an attribute that other packages have says what it is called here."""

    __slots__ = ()

    if not TYPE_CHECKING:  # a checker would take every name for an attribute

        def __getattr__(self, name: str) -> object:
            if not name.startswith("_") and hasattr(type(self), name):
                # A property of ours failed by an AttributeError of its own: let that be seen.
                return object.__getattribute__(self, name)
            raise missing_attribute(type(self).__name__, name, OF_A_FIT)
