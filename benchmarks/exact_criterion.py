"""-2 log (restricted) likelihood in 50-digit arithmetic on the stored doubles: the last word."""

from __future__ import annotations

from typing import Any

from mpmath import mp, mpf

from tests.hard_problems.starts import Lambdas

Matrix = list[list[Any]]


def exact_criterion(fit: Any, lambdas: Lambdas) -> float:
    """Criterion of a fit's design at raw Λ, by the Cholesky factor of [ZΛ X y]ᵀ[ZΛ X y] + [I 0 0].

    Nothing is shared with the core but the design's columns; weights must be absent.
    """
    with mp.workdps(50):
        return float(_exact(fit, lambdas))


def _exact(fit: Any, lambdas: Lambdas) -> Any:
    design, n = fit.design, fit.nobs
    q = sum(len(f.levels) * len(f.columns) for f in design.factors)
    kept = [design.x[i] for i in fit._products.kept]
    p = len(kept)
    gram: Matrix = [[mpf(0)] * (q + p + 1) for _ in range(q + p + 1)]
    for i in range(n):
        row = _random_entries(design.factors, lambdas, i)
        row += [(q + j, mpf(_value(c, i))) for j, c in enumerate(kept)]
        row.append((q + p, mpf(float(design.y[i]))))
        for a, u in row:
            for b, v in row:
                if b <= a:
                    gram[a][b] += u * v
    for a in range(q):
        gram[a][a] += 1
    diagonal = _cholesky_diagonal(gram)
    nu = n - p if fit.reml else n
    rss = diagonal[-1] ** 2
    determinants = q + p if fit.reml else q
    logs = sum((mp.log(d) for d in diagonal[:determinants]), mpf(0))
    return 2 * logs + nu * (1 + mp.log(2 * mp.pi * rss / nu))


def _value(column: Any, i: int) -> float:
    return float(column) if isinstance(column, int | float) else float(column[i])


def _random_entries(factors: Any, lambdas: Lambdas, i: int) -> list[tuple[int, Any]]:
    """Non-zero entries of row i of ZΛ as (column, value)."""
    out, offset = [], 0
    for factor, flat in zip(factors, lambdas, strict=True):
        k = len(factor.columns)
        z = [mpf(_value(c, i)) for c in factor.columns]
        start = offset + int(factor.codes[i]) * k
        out += [
            (start + b, sum((z[a] * mpf(flat[a * k + b]) for a in range(k)), mpf(0)))
            for b in range(k)
        ]
        offset += len(factor.levels) * k
    return out


def _cholesky_diagonal(a: Matrix) -> list[Any]:
    """Diagonal of the lower Cholesky factor; `a` is overwritten."""
    for j, row in enumerate(a):
        for c in range(j):
            other = a[c]
            shared = (row[t] * other[t] for t in range(c) if row[t] and other[t])
            row[c] = (row[c] - sum(shared, mpf(0))) / other[c]
        row[j] = mp.sqrt(row[j] - sum((v * v for v in row[:j] if v), mpf(0)))
    return [row[j] for j, row in enumerate(a)]
