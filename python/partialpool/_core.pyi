"""The native module: arrays in, arrays out. `partialpool.models` gives them names."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__version__: str

Vector = NDArray[np.float64]
Column = float | Vector
FactorArgs = tuple[NDArray[np.uint32], int, Sequence[Column], Sequence[int]]
RowArgs = tuple[Sequence[Column], NDArray[np.int64]]

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
    def largest_block_bytes(self) -> int: ...
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

class Fit:
    """A fitted model's factor at the optimum."""

    @staticmethod
    def restore(
        cp: CrossProducts,
        reml: bool,
        lambdas: Sequence[Sequence[float]],
        convergence: tuple[float, float, float, int],
        hessian: Sequence[float],
    ) -> Fit: ...
    @property
    def criterion(self) -> float: ...
    @property
    def lambdas(self) -> list[list[float]]: ...
    @property
    def sigma(self) -> float: ...
    @property
    def beta(self) -> Vector: ...
    @property
    def unscaled_covariance(self) -> Vector: ...
    @property
    def log_det_omega(self) -> float: ...
    @property
    def penalized_rss(self) -> float: ...
    @property
    def convergence(self) -> tuple[float, float, float, int]: ...
    @property
    def hessian(self) -> list[float]: ...
    @property
    def null_directions(self) -> list[tuple[list[list[float]], list[float]]]: ...
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
