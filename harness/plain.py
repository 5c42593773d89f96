"""What people see where rich is not installed: the same texts, plain."""

import re
import sys

MARKUP = re.compile(r"\[/?bold\]")


class PlainConsole:
    """Standard output, written to as rich's Console is as far as this program goes."""

    is_terminal = False

    def print(self, *texts, sep=" ", markup=True, soft_wrap=True):
        text = sep.join(map(str, texts))
        sys.stdout.write(f"{MARKUP.sub('', text) if markup else text}\n")
        sys.stdout.flush()
