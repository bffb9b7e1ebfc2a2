"""The coffee model in other samplers, each in an interpreter of its own.

    python sampling_peers.py stan|numpyro < data.json > draws.json

Reads y, x, g (from 0), chains, warmup, draws, seed; writes seconds (compiling apart), version,
peak memory in MiB, and draws of each parameter by chain. Needs nothing but the peer.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

#: The tutorial's program: centred, uniform standard deviations, flat elsewhere.
PROGRAM = """
data {
  int<lower=1> N; int<lower=1> G;
  array[N] int<lower=1, upper=G> g;
  vector[N] x; vector[N] y;
}
parameters {
  real b0; real b1;
  real<lower=0, upper=100> s0; real<lower=0, upper=100> s1; real<lower=0> sigma;
  vector[G] r0; vector[G] r1;
}
model {
  r0 ~ normal(0, s0);
  r1 ~ normal(0, s1);
  y ~ normal(b0 + r0[g] + (b1 + r1[g]) .* x, sigma);
}
"""
NAMES = ("b0", "b1", "s0", "s1", "sigma")


def with_stan(data: dict[str, Any]) -> dict[str, Any]:
    """pystan."""
    import stan

    rows = {"N": len(data["y"]), "G": max(data["g"]) + 1, "x": data["x"], "y": data["y"]}
    begun = time.perf_counter()
    model = stan.build(
        PROGRAM, data={**rows, "g": [g + 1 for g in data["g"]]}, random_seed=data["seed"]
    )
    compiled = time.perf_counter()
    fit = model.sample(
        num_chains=data["chains"], num_warmup=data["warmup"], num_samples=data["draws"]
    )
    done = time.perf_counter()
    chains = data["chains"]
    # pystan lays draws out chain by chain within each draw.
    draws = {n: fit[n].reshape(-1, chains).T.tolist() for n in NAMES}
    return {
        "version": f"pystan {stan.__version__}",
        "compiling": compiled - begun,
        "seconds": done - compiled,
        "draws": draws,
    }


def with_numpyro(data: dict[str, Any]) -> dict[str, Any]:
    """NumPyro on two devices of the processor; what it compiles is within the seconds."""
    import numpyro

    numpyro.set_host_device_count(os.cpu_count() or 1)
    numpyro.enable_x64()
    import jax
    import jax.numpy as jnp
    import numpyro.distributions as dist
    from numpyro.infer import MCMC, NUTS

    x, y, g = jnp.array(data["x"]), jnp.array(data["y"]), jnp.array(data["g"])
    groups = max(data["g"]) + 1

    def model() -> None:
        b0 = numpyro.sample("b0", dist.ImproperUniform(dist.constraints.real, (), ()))
        b1 = numpyro.sample("b1", dist.ImproperUniform(dist.constraints.real, (), ()))
        s0 = numpyro.sample("s0", dist.Uniform(0, 100))
        s1 = numpyro.sample("s1", dist.Uniform(0, 100))
        sigma = numpyro.sample("sigma", dist.ImproperUniform(dist.constraints.positive, (), ()))
        with numpyro.plate("groups", groups):
            r0 = numpyro.sample("r0", dist.Normal(0, s0))
            r1 = numpyro.sample("r1", dist.Normal(0, s1))
        numpyro.sample("y", dist.Normal(b0 + r0[g] + (b1 + r1[g]) * x, sigma), obs=y)

    begun = time.perf_counter()
    mcmc = MCMC(
        NUTS(model),
        num_warmup=data["warmup"],
        num_samples=data["draws"],
        num_chains=data["chains"],
        progress_bar=False,
    )
    mcmc.run(jax.random.PRNGKey(data["seed"]))
    found = mcmc.get_samples(group_by_chain=True)
    draws = {n: found[n].tolist() for n in NAMES}
    seconds = time.perf_counter() - begun
    return {
        "version": f"numpyro {numpyro.__version__}",
        "compiling": 0.0,
        "seconds": seconds,
        "draws": draws,
    }


PEERS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "stan": with_stan,
    "numpyro": with_numpyro,
}

if __name__ == "__main__":
    given = json.load(sys.stdin)
    keep = os.dup(1)
    os.dup2(2, 1)  # what the peer prints is not our answer
    answer = PEERS[sys.argv[1]](given)
    both = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    usage = [resource.getrusage(who).ru_maxrss for who in both]
    answer["peak"] = max(usage) / 1024
    with os.fdopen(keep, "w") as out:
        json.dump(answer, out)
