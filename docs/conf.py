"""How the documentation is built."""

from __future__ import annotations

import sys
from pathlib import Path

import moft

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "moft"
author = "The moft maintainers"
project_copyright = "The moft maintainers"
version = release = moft.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax", "moft_docs"]
exclude_patterns = ["_build", "changes", "tutorial/moft-*"]

myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 4

default_role = "code"  # docstrings put names between single backticks
add_module_names = False
autodoc_member_order = "bysource"
autodoc_inherit_docstrings = False
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_custom_sections = [("Source", "notes")]

smartquotes = False

html_theme = "furo"
html_title = "moft"
html_static_path = ["_static"]
html_css_files = ["moft.css"]
html_show_sourcelink = False
