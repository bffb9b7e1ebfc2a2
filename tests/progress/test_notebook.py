"""Progress in a notebook, whose display is taken down here."""

import sys
from types import ModuleType, SimpleNamespace

import partialpool as pp
import pytest
import rich.console
from partialpool.progress import notebook as notebook_progress
from partialpool.progress.bar import progress


@pytest.fixture
def shown(monkeypatch):
    """What a cell shows, picture by picture."""
    pictures = []

    def display(html, display_id):
        assert display_id is True
        pictures.append(html)
        return SimpleNamespace(update=pictures.append)

    module = ModuleType("IPython.display")
    module.HTML, module.display = str, display
    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    monkeypatch.setattr(rich.console, "_is_jupyter", lambda: True)
    monkeypatch.setattr(notebook_progress, "EVERY", 0.0)
    return pictures


def test_bar_grows_and_leaves_nothing_behind(shown):
    with progress("Refits <b>", 4) as advance:
        advance(1)
        advance(3)
    assert [p.count("<progress") for p in shown] == [1, 1, 1, 0]
    assert 'Refits &lt;b&gt; <progress value="0" max="4"></progress> 0/4' in shown[0]
    assert 'value="1"' in shown[1]
    assert "left" in shown[1]
    assert 'value="4"' in shown[2]
    assert "left" not in shown[2]
    assert shown[3] == ""


def test_bar_goes_when_the_work_is_interrupted(shown):
    with pytest.raises(KeyboardInterrupt), progress("Profile", 2):
        raise KeyboardInterrupt
    assert shown[-1] == ""


def test_bootstrap_and_profile_show_it(shown):
    fit = pp.lmer("bright ~ 1 + (1 | operator)", pp.load_dataset("pulp"))
    pp.bootstrap(fit, nsim=8, seed=1)
    assert 'value="8" max="8"' in shown[-2]
    fit.profile("sigma")
    assert "Profile" in shown[-2]


def test_sampling_says_divergences_and_step(shown):
    data = pp.load_dataset("pulp")
    pp.sample("bright ~ 1 + (1 | operator)", data, chains=1, warmup=60, draws=60, seed=1)
    assert "divergences, step" in shown[-2]
    assert shown[-1] == ""
