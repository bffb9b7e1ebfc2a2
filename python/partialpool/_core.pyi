"""The native module: arrays in, arrays out. `partialpool.models` gives them names."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from partialpool.design.covariance import Block

__version__: str

Vector = NDArray[np.float64]
Column = float | Vector
FactorArgs = tuple[NDArray[np.uint32], int, Sequence[Column], Sequence[Block]]
RowArgs = tuple[Sequence[Column], NDArray[np.uint32]]
# Simulation: codes, levels, columns, factor of their covariance; (rows, columns of X, β), residual
# SD, random effects.
RandomArgs = tuple[NDArray[np.uint32], int, Sequence[Column], Sequence[float]]
LawArgs = tuple[tuple[int, Sequence[Column], Sequence[float]], Column, Sequence[RandomArgs]]
# A fit (None: least squares), its columns (a basis), (columns, codes) a factor, weights.
ModelArgs = tuple[
    Fit | None,
    Sequence[Column],
    Sequence[tuple[Sequence[Column], NDArray[np.uint32]]],
    Vector | None,
]

class CoreError(Exception): ...
class NoResidualError(CoreError): ...
class MemoryLimitError(CoreError): ...

class CrossProducts:
    """[Z X y]ᵀW[Z X y] in blocks, in a centred and orthonormalised working basis."""

    @staticmethod
    def build(
        y: Vector, x: Sequence[Column], factors: Sequence[FactorArgs], weights: Vector | None = None
    ) -> CrossProducts: ...
    @property
    def n(self) -> int: ...
    @property
    def kept(self) -> list[int]: ...
    @property
    def q(self) -> int: ...
    @property
    def sum_log_weights(self) -> float: ...
    @property
    def shapes(self) -> list[tuple[int, list[tuple[str, int]]]]: ...
    def merge(
        self,
        other: CrossProducts,
        levels: Sequence[int],
        maps: Sequence[tuple[Sequence[int], Sequence[int]]],
    ) -> CrossProducts: ...
    def to_bytes(self) -> bytes: ...
    @staticmethod
    def from_bytes(bytes: bytes) -> CrossProducts: ...
    def fit(self, reml: bool, start: Sequence[Sequence[float]] | None = None) -> Fit: ...
    def evaluate(
        self, reml: bool, lambdas: Sequence[Sequence[float]]
    ) -> tuple[float, list[list[float]]]: ...

class NullDirections:
    """Directions of a factor without variance, in its working basis, and that basis (k x k)."""

    @property
    def directions(self) -> list[list[float]]: ...
    @property
    def basis(self) -> list[float]: ...

class Undetermined:
    """A direction along which the restricted likelihood is constant whatever the response: as
    coefficients of `kenward_roger`'s parameters, and as a raw k x k matrix a factor.
    """

    @property
    def working(self) -> list[float]: ...
    @property
    def raw(self) -> list[list[float]]: ...

class ProfilePoint:
    """The optimum with the parameter at `value`; raw Λ of each factor."""

    @property
    def value(self) -> float: ...
    @property
    def zeta(self) -> float: ...
    @property
    def sigma(self) -> float: ...
    @property
    def beta(self) -> list[float]: ...
    @property
    def lambdas(self) -> list[list[float]]: ...

class ProfileSide:
    """The optima on one side of the estimate, and the end of the range where that was reached."""

    @property
    def points(self) -> list[ProfilePoint]: ...
    @property
    def bound(self) -> ProfilePoint | None: ...

class SimulatedTest:
    """What a test needs of a model that was fitted to a replicate; `covariance` is that of β over
    σ², `hessian` and `jacobian` are Satterthwaite's.
    """

    @property
    def convergence(self) -> tuple[float, float, float, int]: ...
    @property
    def magnitude(self) -> float: ...
    @property
    def beta(self) -> list[float]: ...
    @property
    def sigma(self) -> float: ...
    @property
    def covariance(self) -> list[float]: ...
    @property
    def hessian(self) -> list[float]: ...
    @property
    def jacobian(self) -> list[list[float]]: ...

class SamplingCost:
    """Seconds of an effective draw, and how many random effects the joint form samples."""

    @property
    def collapsed(self) -> float: ...
    @property
    def joint(self) -> float: ...
    @property
    def effects(self) -> int: ...
    @property
    def joint_is_quicker(self) -> bool: ...

class Fit:
    """A fitted model's factor at the optimum."""

    @staticmethod
    def restore(
        cp: CrossProducts,
        reml: bool,
        lambdas: Sequence[Sequence[float]],
        convergence: tuple[float, float, float, int],
        hessian: Sequence[float],
        working: Sequence[Sequence[float]] | None = None,
    ) -> Fit: ...
    @property
    def criterion(self) -> float: ...
    @property
    def lambdas(self) -> list[list[float]]: ...
    @property
    def working(self) -> list[list[float]]: ...
    @property
    def sigma(self) -> float: ...
    @property
    def beta(self) -> Vector: ...
    @property
    def unscaled_covariance(self) -> Vector: ...
    @property
    def largest_block_bytes(self) -> int: ...
    @property
    def log_det_omega(self) -> float: ...
    @property
    def unscaled_variance_bounds(self) -> tuple[Vector, Vector]: ...
    @property
    def magnitude(self) -> float: ...
    @property
    def convergence(self) -> tuple[float, float, float, int]: ...
    @property
    def hessian(self) -> list[float]: ...
    @property
    def null_directions(self) -> list[NullDirections]: ...
    def random_effects(self) -> list[Vector]: ...
    def conditional_covariances(self) -> list[Vector]: ...
    def satterthwaite(self) -> tuple[Vector, list[Vector]]: ...
    def linear_predictor(
        self,
        n: int,
        x: Sequence[Column],
        factors: Sequence[RowArgs],
        effects: tuple[Vector, Sequence[Vector]],
        with_: Sequence[bool],
        /,
    ) -> Vector: ...
    def leverages(
        self, n: int, x: Sequence[Column], factors: Sequence[RowArgs], weights: Vector | None = None
    ) -> Vector: ...
    def prediction_variances(
        self,
        n: int,
        x: Sequence[Column],
        factors: Sequence[RowArgs],
        with_: Sequence[bool],
        unknown: bool,
        /,
    ) -> Vector: ...

def encode(values: NDArray[np.int64], /) -> tuple[NDArray[np.uint32], NDArray[np.int64]]: ...
def kenward_roger(fit: Fit, /) -> tuple[Vector, list[Vector], list[Vector]]:
    """Over σ², with m covariance parameters and then σ² itself: twice their expected information,
    (m + 1)²; ΦP_rΦ, m + 1 of p²; the symmetric part of Φ(Q_rs - P_rΦP_s)Φ for r ≤ s, of p² each.
    """

def fixed_root(fit: Fit, /) -> Vector:
    """S with SᵀS = XᵀWX for the p columns kept, p²."""

def undetermined(products: CrossProducts, /) -> tuple[list[Undetermined], list[list[float]]]:
    """The directions that no response determines; and the root mean square of each raw column, a
    list a factor.
    """

def null_spectrum(
    cp: CrossProducts, /
) -> tuple[list[tuple[float, int]], list[tuple[float, int]]]: ...
def null_draws(cp: CrossProducts, fixed: int | None, nsim: int, seed: int) -> Vector: ...
def simulated_response(law: LawArgs, seed: int, replicate: int, /) -> Vector: ...
def bootstrap_refits(
    law: LawArgs, models: Sequence[ModelArgs], seed: int, first: int, count: int, /
) -> list[tuple[Vector, NDArray[np.uint8]]]: ...
def simulated_tests(
    law: LawArgs, model: ModelArgs, seed: int, first: int, count: int, /
) -> list[SimulatedTest | None]: ...
def profile_sides(
    fit: Fit,
    kind: str,
    at: Sequence[int],
    zetas: tuple[Sequence[float], Sequence[float]],
    tolerance: float,
    /,
) -> tuple[ProfileSide, ProfileSide]: ...
def delete_rows(
    products: CrossProducts,
    y: Vector,
    x: Sequence[Column],
    factors: Sequence[FactorArgs],
    weights: Vector | None,
    rows: NDArray[np.int64],
    /,
) -> CrossProducts: ...
def smoothed_columns(fit: Fit, /) -> list[Vector]: ...

NamedPrior = tuple[str, Sequence[float]]

class LogPosterior:
    """Collapsed log-posterior; a draw is fixed effects, σ, then sds and correlations by factor."""

    def __init__(
        self,
        cp: CrossProducts,
        beta: Sequence[NamedPrior],
        sigma: NamedPrior,
        sd: Sequence[Sequence[NamedPrior]],
        eta: Sequence[Sequence[float]],
        prior_only: bool,
    ) -> None: ...
    @property
    def dim(self) -> int: ...
    def evaluate(self, x: Vector) -> tuple[float, list[float]]: ...
    def constrain(self, x: Vector) -> list[float]: ...
    def near(self, fit: Fit) -> list[float]: ...
    def mode(self, fit: Fit) -> tuple[list[float], list[float]]: ...
    def sample(
        self,
        fit: Fit,
        chains: int,
        warmup: int,
        draws: int,
        seed: int,
        threads: int,
        target_accept: float,
        max_depth: int,
        joint: bool,
        callback: Callable[[int, int, float], None] | None,
    ) -> tuple[list[dict[str, Any]], bool]: ...
    def cost(self) -> SamplingCost: ...
    def joint(self, x: Vector) -> JointPosterior: ...
    def random_effects(
        self, reported: Vector, seed: int, first: int, from_prior: bool
    ) -> Vector: ...

class JointPosterior:
    """Log-posterior of the parameters and of random effects that are sampled."""

    @property
    def dim(self) -> int: ...
    def evaluate(self, x: Vector) -> tuple[float, list[float]]: ...

def prior_density(name: str, parameters: Sequence[float], x: Vector) -> tuple[Vector, Vector]: ...
