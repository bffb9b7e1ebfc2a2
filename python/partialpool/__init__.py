"""Mixed-effects models for Python: lme4's formulas, lmerTest's tests, a small Rust core.

``import partialpool as pp``; the names below are imported when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

#: Public names and the module that each comes from.
_HOME = {
    "lmer": "partialpool.models.lmer",
    "lm": "partialpool.models.baseline",
    "lm_list": "partialpool.models.baseline",
    "load": "partialpool.models.storage",
    "bootstrap": "partialpool.inference.intervals.bootstrap",
    "exact_lrt": "partialpool.inference.comparison.exact",
    "exact_rlrt": "partialpool.inference.comparison.exact",
    "pb_test": "partialpool.inference.comparison.bootstrap_lrt",
    "LinearMixedModel": "partialpool.models.linear_mixed",
    "CrossProducts": "partialpool.models.pooled",
    "aov": "partialpool.inference.aov",
    "variance_components": "partialpool.inference.aov",
    "marginaleffects_model": "partialpool.inference.marginaleffects",
    "emmeans": "partialpool.inference.means.emmeans",
    "emtrends": "partialpool.inference.means.emmeans",
    "joint_tests": "partialpool.inference.means.joint",
    "load_dataset": "partialpool.datasets",
    "list_datasets": "partialpool.datasets",
    "parse_formula": "partialpool.formula",
    "sample": "partialpool.bayes.sample",
    "default_priors": "partialpool.bayes.sample",
    "load_posterior": "partialpool.bayes.storage",
    "Posterior": "partialpool.bayes.posterior",
    "compare": "partialpool.bayes.comparing",
    "loo_compare": "partialpool.bayes.loo",
    "normal": "partialpool.bayes.priors",
    "student_t": "partialpool.bayes.priors",
    "cauchy": "partialpool.bayes.priors",
    "half_normal": "partialpool.bayes.priors",
    "half_student_t": "partialpool.bayes.priors",
    "half_cauchy": "partialpool.bayes.priors",
    "exponential": "partialpool.bayes.priors",
    "gamma": "partialpool.bayes.priors",
    "inv_gamma": "partialpool.bayes.priors",
    "uniform": "partialpool.bayes.priors",
    "flat": "partialpool.bayes.priors",
    "lkj": "partialpool.bayes.priors",
    "anova": "partialpool.inference.comparison.likelihood_ratio",
    "kr_test": "partialpool.inference.comparison.nested_f",
    "plot_data": "partialpool.figures.raw_data",
    "plot_compare": "partialpool.figures.comparison",
    "make_design": "partialpool.simulate.design",
    "simulate_lmm": "partialpool.simulate.lmm",
    "power": "partialpool.simulate.power",
    "stan_code": "partialpool.bayes.stan",
    "stan_data": "partialpool.bayes.stan",
    "errors": "partialpool.errors",
}

__all__ = sorted([*_HOME, "__version__"])  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        from partialpool.hints import OF_THE_PACKAGE, missing_attribute

        raise missing_attribute("partialpool", name, OF_THE_PACKAGE)
    module = import_module(home)
    value = module if name == "errors" else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__


if TYPE_CHECKING:
    from partialpool import errors as errors
    from partialpool.bayes.comparing import compare as compare
    from partialpool.bayes.loo import loo_compare as loo_compare
    from partialpool.bayes.posterior import Posterior as Posterior
    from partialpool.bayes.priors import cauchy as cauchy
    from partialpool.bayes.priors import exponential as exponential
    from partialpool.bayes.priors import flat as flat
    from partialpool.bayes.priors import gamma as gamma
    from partialpool.bayes.priors import half_cauchy as half_cauchy
    from partialpool.bayes.priors import half_normal as half_normal
    from partialpool.bayes.priors import half_student_t as half_student_t
    from partialpool.bayes.priors import inv_gamma as inv_gamma
    from partialpool.bayes.priors import lkj as lkj
    from partialpool.bayes.priors import normal as normal
    from partialpool.bayes.priors import student_t as student_t
    from partialpool.bayes.priors import uniform as uniform
    from partialpool.bayes.sample import default_priors as default_priors
    from partialpool.bayes.sample import sample as sample
    from partialpool.bayes.stan import stan_code as stan_code
    from partialpool.bayes.stan import stan_data as stan_data
    from partialpool.bayes.storage import load_posterior as load_posterior
    from partialpool.datasets import list_datasets as list_datasets
    from partialpool.datasets import load_dataset as load_dataset
    from partialpool.figures.comparison import plot_compare as plot_compare
    from partialpool.figures.raw_data import plot_data as plot_data
    from partialpool.formula import parse_formula as parse_formula
    from partialpool.inference.aov import aov as aov
    from partialpool.inference.aov import variance_components as variance_components
    from partialpool.inference.comparison.bootstrap_lrt import pb_test as pb_test
    from partialpool.inference.comparison.exact import exact_lrt as exact_lrt
    from partialpool.inference.comparison.exact import exact_rlrt as exact_rlrt
    from partialpool.inference.comparison.likelihood_ratio import anova as anova
    from partialpool.inference.comparison.nested_f import kr_test as kr_test
    from partialpool.inference.intervals.bootstrap import bootstrap as bootstrap
    from partialpool.inference.marginaleffects import (
        marginaleffects_model as marginaleffects_model,
    )
    from partialpool.inference.means.emmeans import emmeans as emmeans
    from partialpool.inference.means.emmeans import emtrends as emtrends
    from partialpool.inference.means.joint import joint_tests as joint_tests
    from partialpool.models.baseline import lm as lm
    from partialpool.models.baseline import lm_list as lm_list
    from partialpool.models.linear_mixed import LinearMixedModel as LinearMixedModel
    from partialpool.models.lmer import lmer as lmer
    from partialpool.models.pooled import CrossProducts as CrossProducts
    from partialpool.models.storage import load as load
    from partialpool.simulate.design import make_design as make_design
    from partialpool.simulate.lmm import simulate_lmm as simulate_lmm
    from partialpool.simulate.power import power as power
