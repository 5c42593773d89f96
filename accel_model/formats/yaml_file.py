"""YAML written by people, read within bounds: text, depth, values and tags are checked before anything is built.

The one place that imports yaml. A file is data that somebody else may have written: an alias counts as all that it
names, so that a few lines cannot stand for millions of values; nothing but texts, numbers, booleans, null, lists and
mappings comes out. What is wrong is told with file, line and column.
"""

import os
import re
import unicodedata
from os import PathLike
from typing import Any

import yaml

from accel_model.formats.reading import TableError

MOST_VALUES = 4000  # of a file, keys among them, an alias with all that it names
LIMIT = "HALFSTEP_YAML_VALUES"  # environment variable that stands for MOST_VALUES
BYTES_PER_VALUE = 64  # of a file, comments and all
DEEPEST = 32  # lists and mappings within each other
LONGEST_NUMBER = 40  # characters
LONGEST_SHOWN = 120  # characters of the file in an error
TURNING = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # they change a line's direction
HIDDEN = re.compile(f"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f{TURNING}\ud800-\udfff\ufffe\uffff]")
NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
TEXT = "tag:yaml.org,2002:str"
TIMESTAMP = "tag:yaml.org,2002:timestamp"


def read_yaml(path: str | PathLike, error_type: type[Exception] = TableError) -> tuple[str, Any]:
    """(text, values) of the YAML file at `path`; a date stays a text.

    Raises error_type where it cannot be read, is no YAML, or has more values than MOST_VALUES, or what the environment
    variable HALFSTEP_YAML_VALUES says in its place, more than BYTES_PER_VALUE for each, or a depth above DEEPEST.
    """
    most = _most_values(error_type)
    largest = most * BYTES_PER_VALUE
    try:
        with open(path, "rb") as file:
            data = file.read(largest + 1)
    except OSError as error:
        raise error_type(f"cannot read {path}: {error.strerror or error}") from None
    except ValueError as error:  # a name that no file can have
        raise error_type(f"cannot read {str(path)[:LONGEST_SHOWN]!r}: {error}") from None
    if len(data) > largest:
        raise error_type(
            f"{path} has over {largest} bytes: give a smaller file, or set {LIMIT}={10 * most} if you trust it"
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, column = _place(data, error.start, b"\n")
        raise error_type(f"{path}, line {line}, column {column}: is not text in UTF-8: save it as such") from None
    if found := HIDDEN.search(text):
        line, column = _place(text, found.start(), "\n")
        raise error_type(f"{path}, line {line}, column {column}: holds {_named(found[0])}: remove it")
    try:
        return text, _values(text, most)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise error_type(
            f"{path}{place}: is no YAML that is read here: {_short(error.problem or error.context)}"
        ) from None
    except (yaml.YAMLError, ValueError, TypeError, LookupError, OverflowError, RecursionError) as error:
        raise error_type(f"{path} is no YAML that is read here: {_short(error)}") from None


class BoundedLoader(yaml.SafeLoader):
    """SafeLoader that counts while it composes; PyYAML looks up what it does by inheritance."""

    yaml_implicit_resolvers = {  # noqa: RUF012, PyYAML's own form
        first: [one for one in resolvers if one[0] != TIMESTAMP]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def __init__(self, stream, most):
        super().__init__(stream)
        self.most = most  # values that it may have
        self.total = 0  # values so far
        self.spans = {}  # of each closed node by its id: (values within it, depth within it)
        self.within = [[0, 0]]  # the same of each open node, outermost first

    def compose_node(self, parent, index):
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent):
            node = super().compose_node(parent, index)
            if id(node) not in self.spans:
                raise _flaw(event, f"*{event.anchor} lies within what it stands for: write it out")
            values, depth = self.spans[id(node)]
            self._count(event, values, depth)
        else:
            if event.tag not in (None, "!", TEXT):
                raise _flaw(event, f"the tag {_short(event.tag)}: give a plain text, number, list or mapping")
            self._count(event, 1, 1)
            self.within.append([1, 1])
            node = super().compose_node(parent, index)
            _check(node)
            values, depth = self.within.pop()
            self.spans[id(node)] = values, depth
        self.within[-1][0] += values
        self.within[-1][1] = max(self.within[-1][1], depth + 1)
        return node

    def _count(self, event, values, depth):
        self.total += values
        if self.total > self.most:
            what = f"more than {self.most} values, an alias with all that it stands for"
            raise _flaw(event, f"{what}: give fewer, or set {LIMIT}={10 * self.most} if you trust the file")
        if len(self.within) - 1 + depth > DEEPEST + 1:
            raise _flaw(event, f"lists and mappings within each other more than {DEEPEST} deep: give fewer")


def _most_values(error_type):
    given = os.environ.get(LIMIT) or str(MOST_VALUES)
    if not re.fullmatch(r"[1-9]\d{0,8}", given):
        raise error_type(f"{LIMIT} is {_short(given)!r}: give a whole number above 0, e.g. {LIMIT}={10 * MOST_VALUES}")
    return int(given)


def _values(text, most):
    loader = BoundedLoader(text, most)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def _check(node):
    """Raise where a node, whose parts are checked, has a key twice, a key of several values, or an endless number."""
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _flaw(key, "a key that is a list or a mapping: give a text")
            if (key.tag, key.value) in seen:
                raise _flaw(key, f"the key {_short(key.value)!r} twice in one mapping: give it once")
            seen.add((key.tag, key.value))
    elif isinstance(node, yaml.ScalarNode):
        if node.tag in NUMBERS and len(node.value) > LONGEST_NUMBER:
            raise _flaw(node, f"a number of {len(node.value)} characters: give one of at most {LONGEST_NUMBER}")
        if found := HIDDEN.search(node.value):
            raise _flaw(node, f"a text that holds {_named(found[0])}: leave it out")


def _flaw(place, text):
    return yaml.MarkedYAMLError(problem=text, problem_mark=place.start_mark)


def _named(character):
    name = unicodedata.name(character, "a control character")
    return f"U+{ord(character):04X} ({name.lower()}), which no reader sees"


def _place(whole, position, newline):
    """(line, column) of a position, both from 1."""
    return whole.count(newline, 0, position) + 1, position - (whole.rfind(newline, 0, position) + 1) + 1


def _short(value):
    text = " ".join(str(value).split())
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]} ..."
