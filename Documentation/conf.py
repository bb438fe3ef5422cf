# SPDX-License-Identifier: GPL-2.0
"""How plain sphinx makes pages of this folder: sphinx-build Documentation FOLDER."""

# The names are those that sphinx looks for.
# pylint: disable=invalid-name
project = "user_session_keyring"
root_doc = "index"
exclude_patterns = ["man"]
nitpicky = True
highlight_language = "none"
smartquotes = False
html_theme = "alabaster"
html_theme_options = {"page_width": "1100px", "sidebar_width": "200px"}
html_show_copyright = False
