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
    "bootstrap": "partialpool.inference.bootstrap",
    "exact_lrt": "partialpool.inference.exact_tests",
    "exact_rlrt": "partialpool.inference.exact_tests",
    "pb_test": "partialpool.inference.pb_test",
    "LinearMixedModel": "partialpool.models.linear_mixed",
    "CrossProducts": "partialpool.crossproducts",
    "aov": "partialpool.inference.aov",
    "variance_components": "partialpool.inference.aov",
    "marginaleffects_model": "partialpool.inference.marginaleffects",
    "emmeans": "partialpool.inference.means",
    "emtrends": "partialpool.inference.means",
    "joint_tests": "partialpool.inference.joint_tests",
    "load_dataset": "partialpool.datasets",
    "list_datasets": "partialpool.datasets",
    "parse_formula": "partialpool.formula",
    "anova": "partialpool.inference.likelihood_ratio",
    "kr_test": "partialpool.inference.kenward_roger_test",
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
        raise AttributeError(f"partialpool has no {name!r}")
    module = import_module(home)
    value = module if name == "errors" else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__


if TYPE_CHECKING:
    from partialpool import errors as errors
    from partialpool.bayes.stan import stan_code as stan_code
    from partialpool.bayes.stan import stan_data as stan_data
    from partialpool.crossproducts import CrossProducts as CrossProducts
    from partialpool.datasets import list_datasets as list_datasets
    from partialpool.datasets import load_dataset as load_dataset
    from partialpool.formula import parse_formula as parse_formula
    from partialpool.inference.aov import aov as aov
    from partialpool.inference.aov import variance_components as variance_components
    from partialpool.inference.bootstrap import bootstrap as bootstrap
    from partialpool.inference.exact_tests import exact_lrt as exact_lrt
    from partialpool.inference.exact_tests import exact_rlrt as exact_rlrt
    from partialpool.inference.joint_tests import joint_tests as joint_tests
    from partialpool.inference.kenward_roger_test import kr_test as kr_test
    from partialpool.inference.likelihood_ratio import anova as anova
    from partialpool.inference.marginaleffects import (
        marginaleffects_model as marginaleffects_model,
    )
    from partialpool.inference.means import emmeans as emmeans
    from partialpool.inference.means import emtrends as emtrends
    from partialpool.inference.pb_test import pb_test as pb_test
    from partialpool.models.baseline import lm as lm
    from partialpool.models.baseline import lm_list as lm_list
    from partialpool.models.linear_mixed import LinearMixedModel as LinearMixedModel
    from partialpool.models.lmer import lmer as lmer
    from partialpool.models.storage import load as load
    from partialpool.simulate.design import make_design as make_design
    from partialpool.simulate.lmm import simulate_lmm as simulate_lmm
    from partialpool.simulate.power import power as power
