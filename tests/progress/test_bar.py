"""In a terminal: bars say what they should, and Ctrl-C keeps what is done."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

START = """
import json, warnings
import partialpool as pp
warnings.simplefilter("ignore")
sleep = pp.load_dataset("sleepstudy")
model = "Reaction ~ Days + (Days | Subject)"
"""
SAMPLE = """
post = pp.sample(model, sleep, chains=2, cores=2, warmup=20, draws=10**8, seed=1)
print(json.dumps(post.values.shape[1]))
"""
BOOTSTRAP = """
result = pp.bootstrap(pp.lmer(model, sleep), nsim=10**8, seed=1)
print(json.dumps(result.nsim))
"""


def interrupted(code):
    """Run code with a terminal for standard error; Ctrl-C once its bar has moved. Both outputs."""
    outer, inner = pty.openpty()
    root = str(Path(__import__("partialpool").__file__).parents[1])
    done = subprocess.Popen(
        [sys.executable, "-c", START + code],
        stdout=subprocess.PIPE,
        stderr=inner,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "140", "PYTHONPATH": root},
    )
    os.close(inner)
    seen, sent = "", False
    while True:
        try:
            part = os.read(outer, 65_536).decode("utf-8", "replace")
        except OSError:  # Linux: the last writer has closed the terminal
            part = ""
        if not part:
            break
        seen += part
        counts = re.findall(r"(\d+)/\d{9}", seen)
        if not sent and counts and int(counts[-1]) > 200:
            done.send_signal(signal.SIGINT)
            sent = True
    os.close(outer)
    out = done.communicate()[0].decode()
    return seen, out, done.returncode


@pytest.mark.parametrize("code", [SAMPLE, BOOTSTRAP], ids=["sample", "bootstrap"])
def test_ctrl_c_in_a_terminal_keeps_what_is_done(code):
    seen, out, status = interrupted(code)
    assert status == 0, seen[-2000:]
    assert 0 < json.loads(out) < 10**8
    # The time that is left, in hours or minutes.
    assert re.search(r"\d+:\d\d:\d\d", seen)


def test_the_samplers_bar_shows_divergences_and_step_size():
    seen, _, _ = interrupted(SAMPLE)
    steps = [float(s) for s in re.findall(r"\d+ divergences, step (\d\.\d\d)", seen)]
    assert max(steps) > 0


def test_bars_are_silent_where_no_one_looks():
    code = START + "pp.sample(model, sleep, chains=1, warmup=20, draws=20, seed=1)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
