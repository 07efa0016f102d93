"""How the documentation is built: from the Markdown of the pages alone."""

from __future__ import annotations

import moft

project = "moft"
author = "The moft maintainers"
project_copyright = "The moft maintainers"
version = release = moft.__version__

extensions = ["myst_parser", "sphinx.ext.mathjax"]
exclude_patterns = ["_build", "changes", "tutorial/moft-*"]

myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 4

smartquotes = False

html_theme = "furo"
html_title = "moft"
html_static_path = ["_static"]
html_css_files = ["moft.css"]
html_show_sourcelink = False
