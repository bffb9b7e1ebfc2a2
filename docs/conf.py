"""How the documentation is built: `make docs`, or `sphinx-build -W docs docs/_build/html`."""

import os
import sys
from pathlib import Path

import partialpool
import ziamath
from sphinx.application import Sphinx

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

project = "partialpool"
author = "the partialpool developers"
copyright = author
version = release = partialpool.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "numpydoc",
    "offline_math",
]
exclude_patterns = ["_build", "README.md"]

# ---- executed pages ------------------------------------------------------------------------

# Every code block runs, each page in a kernel of its own and from top to bottom. Inline execution
# lets prose quote a number by `{eval}`, so no page can state what the code does not give. Cells
# that only check are tagged `remove-input`: myst-nb runs a `remove-cell` late, and not at all at
# the end of a page.
nb_execution_mode = "inline"
nb_execution_timeout = 120
nb_execution_raise_on_error = True
nb_output_stderr = "error"
nb_eval_name_regex = ".+"
nb_render_markdown_format = "gfm"
myst_enable_extensions = ["dollarmath", "colon_fence", "deflist", "attrs_inline"]
myst_heading_anchors = 3
suppress_warnings = ["mystnb.mime_priority"]

# A profile of its own for the pages' kernels: sharp figures, and neither history nor progress bars,
# which a page cannot move.
PROFILE = HERE / "_build" / "ipython" / "profile_default"
PROFILE.mkdir(parents=True, exist_ok=True)
(PROFILE / "ipython_kernel_config.py").write_text(
    """SVG = "get_ipython().display_formatter.formatters['image/svg+xml']"
DRAWN = "lambda f: __import__('IPython.core.pylabtools').core.pylabtools.print_figure(f, 'svg')"
SHOWN = f"{SVG}.for_type_by_name('partialpool.figures.shown', 'ShownFigure', {DRAWN})"
c.InlineBackend.figure_formats = {"svg"}
c.HistoryManager.enabled = False
c.IPKernelApp.log_level = 40
QUIET = "rich.console._is_jupyter = lambda: False"
c.IPKernelApp.exec_lines = [SHOWN, "import rich.console", QUIET]
""",
    "utf-8",
)
os.environ["IPYTHONDIR"] = str(PROFILE.parent)
os.environ["TTY_COMPATIBLE"] = "0"

# ---- reference -----------------------------------------------------------------------------

# Docstrings name things in single backticks.
default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_default_options = {"members": True, "inherited-members": True}
numpydoc_show_class_members = False
numpydoc_attributes_as_param_list = True
numpydoc_xref_param_type = False
python_maximum_signature_line_length = 88
add_module_names = False
toc_object_entries_show_parents = "hide"

# ---- pages ---------------------------------------------------------------------------------

html_theme = "furo"
html_title = "partialpool"
# STIX Two Math (Open Font License), so that brackets grow where a reader has no font for formulas.
FONT = Path(ziamath.__file__).parent / "fonts" / "STIXTwoMath-Regular.ttf"
html_static_path = ["_static", str(FONT)]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False
html_theme_options = {"navigation_with_keys": True}


def setup(app: Sphinx) -> None:
    # Fits, results and priors are made by functions, so how a class is called is not shown.
    app.connect(
        "autodoc-process-signature",
        lambda app, what, *_: ("", None) if what == "class" else None,
    )
