"""Compile a Stan program and sample it, with the Python of an environment that has pystan.

    python stan_sample.py JOB.json OUT.npz

`stan_agreement.py` calls it; it needs pystan (which brings aiohttp and NumPy) only.
"""

import json
import shutil
import sys
import time
from pathlib import Path

import aiohttp
import httpstan.cache
import numpy as np
import stan

# pystan waits for its own server with aiohttp's default of five minutes, which a busy machine may
# need for one program; it has no setting for it.
aiohttp.client.DEFAULT_TIMEOUT = aiohttp.ClientTimeout(total=None)


def forget_broken_builds() -> None:
    """A build that was interrupted leaves a directory without this file, and httpstan stumbles."""
    for folder in (httpstan.cache.cache_directory() / "models").glob("*"):
        if not (folder / "stderr.log").exists():
            shutil.rmtree(folder)


def main(job_path: str, out_path: str) -> None:
    """Write each variable's draws as (chains, draws, …), and the seconds that it took."""
    job = json.loads(Path(job_path).read_text("utf-8"))
    chains, draws = job["chains"], job["draws"]
    forget_broken_builds()
    start = time.perf_counter()
    model = stan.build(job["code"], data=job["data"], random_seed=job["seed"])
    built = time.perf_counter() - start
    fit = model.sample(num_chains=chains, num_warmup=job["warmup"], num_samples=draws)
    sampled = time.perf_counter() - start - built
    out = {"seconds": np.array([built, sampled])}
    for name in job["variables"]:
        values = np.asarray(fit[name])
        # pystan: (…, draws * chains), the draws of a chain next to each other
        out[name] = np.moveaxis(values.reshape(*values.shape[:-1], chains, draws), (-2, -1), (0, 1))
    np.savez(out_path, **out)


if __name__ == "__main__":
    main(*sys.argv[1:])
