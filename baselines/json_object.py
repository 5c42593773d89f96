"""One JSON object from a text that anyone may have written: bounded, without doubled fields, numbers that are none."""

import json

from baselines.errors import FileError


def parse_object(text, where, largest_bytes, advice):
    """The one JSON object in `text`.

    where: the file's name; advice: what to do instead; both for errors. Raises FileError for a text of more than
    `largest_bytes` letters, and for one that is no JSON object, has a field twice, or NaN or Infinity.
    """

    def refuse_constant(name):
        raise ValueError(f"{name} is no number in JSON")

    def refuse_doubles(pairs):
        if len(found := dict(pairs)) < len(pairs):
            raise ValueError("a field is given twice")
        return found

    if len(text) > largest_bytes:
        raise FileError(f"{where}: larger than {largest_bytes // 2**20} MiB: {advice}")
    try:
        data = json.loads(text, parse_constant=refuse_constant, object_pairs_hook=refuse_doubles)
    except (ValueError, RecursionError) as error:
        raise FileError(f"{where}: not valid JSON ({str(error)[:200]}): {advice}") from None
    if not isinstance(data, dict):
        raise FileError(f"{where}: holds no JSON object: {advice}")
    return data
