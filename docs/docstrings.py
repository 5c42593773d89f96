"""How the API page reads docstrings: arguments, returns, errors and sources each begin a line, as in the code."""

import re

from griffe import Extension

BEGINS = re.compile(r"\n(?=(?:[a-z][\w, ]*: |Returns? |Raises? |Source: ))")


class LinesOfDocstrings(Extension):
    """Keeps those line breaks, which Markdown would take for spaces."""

    def on_object(self, *, obj, **_):
        """Change the docstring of one object."""
        if obj.docstring:
            obj.docstring.value = BEGINS.sub("  \n", obj.docstring.value)
