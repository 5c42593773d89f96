"""The tables of docs/settings.md: every setting of conf/ with its default, unit, bound and meaning.

Names, defaults and meanings come from the YAML files and their comments; units and bounds from the metadata `bound` of
the schemas' fields, where a field has one.
"""

import dataclasses
import inspect
import math
import re
import sys
from pathlib import Path
from typing import get_type_hints

import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # this checkout, whatever is installed

from harness.settings.schema import ClaimConfig, RunConfig  # noqa: E402
from harness.tasks.job import task_module  # noqa: E402
from harness.training.data import sources  # noqa: E402

CONF = ROOT / "conf"
LINE = re.compile(r"^(?P<indent> *)(?P<key>[A-Za-z_][\w]*):(?P<value>[^#]*?)(?:\s+#\s*(?P<comment>.*))?$")
GROUPS = {  # folder of conf: (heading, option that is the default)
    "task": ("Tasks: `task=`", "run"),
    "workload": ("Workloads: `workload=`", "mnist_lenet5"),
    "data": ("Data: `data=`", "digits"),
    "accelerator": ("Accelerators: `accelerator=`", "seed"),
    "baseline": ("Baselines: `baseline=`", "live"),
    "precision": ("Precisions: `precision=`", "fp32"),
    "claim": ("Claims: `claim=`", "seed_training_time"),
    "explore": ("Spaces to explore: `explore=`", "around_seed"),
    "tracking": ("Tracking: `tracking=`", "mlflow"),
}
LEFT_OUT = {"defaults", "hydra", "name", "description"}
LONGEST = 60  # characters of a default that is shown in full


def settings():
    """All tables, each under its heading."""
    parts = ["## Of every run", described(CONF / "config.yaml", "", "")]
    for folder, (heading, default) in GROUPS.items():
        files = sorted((CONF / folder).glob("*.yaml"))
        parts += [f"## {heading}", listed(folder, files, default)]
        if folder == "task":
            parts += [part for file in files for part in of_task(file)]
        elif folder == "accelerator":
            parts += [
                f"Of `{default}`, the nominal value and what is left open:",
                accelerator(CONF / folder / f"{default}.yaml"),
            ]
        else:
            prefix = f"claim.{default}" if folder == "claim" else folder
            parts += [
                f"Settings, with the defaults of `{default}`:",
                described(CONF / folder / f"{default}.yaml", prefix, folder),
            ]
    return "\n\n".join(parts)


def of_task(file):
    """The settings that one task brings, [] where it has none."""
    found = described(file, "" if "@package _global_" in file.read_text() else "task", "task")
    return [f"### `task={file.stem}`", found] if found else []


def described(file, prefix, group):
    """The table of a file's settings: setting, default, unit, bounds, meaning; "" where it has none."""
    found, notes = leaves(file), comments(file)
    for other in sorted(file.parent.glob("*.yaml")) if group not in ("", "task") else ():
        more, told = leaves(other), comments(other)
        notes |= {path: told[path] for path in more.keys() & told.keys() - found.keys()}
        found = more | found
    rows = []
    for path, value in found.items():
        name = ".".join(filter(None, (prefix, *path)))
        unit, bounds, meaning = stated(file, path, group)
        rows.append([f"`{name}`", shown(value), unit, bounds, notes.get(path, meaning)])
    return table(["setting", "default", "unit", "bounds", "meaning"], rows) if rows else ""


def listed(folder, files, default):
    """The options of a group with the comment at the head of each file."""
    rows = [[f"`{file.stem}`" + (" (default)" if file.stem == default else ""), head(file)] for file in files]
    return table([folder, "meaning"], rows)


def head(file):
    """The comment at the head of a file, or its description or statement, as one text."""
    lines = [line[1:].strip() for line in file.read_text().split("\n\n")[0].splitlines() if line.startswith("#")]
    text = " ".join(line for line in lines if not line.startswith("@package"))
    values = yaml.safe_load(file.read_text())
    return text or values.get("description") or values.get("statement") or ""


def accelerator(file):
    """The fields of an accelerator: its nominal values, what is open, and where they come from."""
    rows, notes = [], comments(file)
    for name, given in yaml.safe_load(file.read_text()).items():
        if name in LEFT_OUT:
            continue
        if not isinstance(given, dict):
            rows.append([f"`accelerator.{name}`", shown(given), "", notes.get((name,), "")])
            continue
        values = given.get("values")
        open_ = (
            shown(values) if values else f"{shown(given['low'])} to {shown(given['high'])}" if "low" in given else ""
        )
        rows.append([f"`accelerator.{name}.value`", shown(given["value"]), open_, given.get("source", "")])
    return table(["setting", "nominal", "open values", "source or meaning"], rows)


def leaves(file):
    """{path: value} of the settings in a YAML file, without what Hydra reads for itself."""
    found = {}

    def walk(path, value):
        if isinstance(value, dict) and value:
            for key, one in value.items():
                if key not in LEFT_OUT:
                    walk((*path, key), one)
        else:
            found[path] = value

    values = yaml.safe_load(file.read_text()) or {}
    walk((), {key: value for key, value in values.items() if key != "defaults"})
    return found


def comments(file):
    """{path: text} of the comments behind settings; several lines of a list count for the list."""
    found, stack = {}, []
    for line in file.read_text().splitlines():
        if not (match := LINE.match(line)):
            continue
        while stack and stack[-1][0] >= len(match["indent"]):
            stack.pop()
        stack.append((len(match["indent"]), match["key"]))
        if match["comment"]:
            found[tuple(key for _, key in stack)] = match["comment"]
    return found


def shown(value):
    """A default as text."""
    if value == "???":
        return "none: give one"
    if isinstance(value, list) and len(str(value)) > LONGEST:
        return f"{len(value)} values"
    return f"`{plain(value)}`"


def plain(value):
    """A value as it is written in YAML."""
    if isinstance(value, list):
        return f"[{', '.join(map(plain, value))}]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:g}" if isinstance(value, float) and value >= 1e6 else str(value)


def stated(file, path, group):
    """(unit, bounds, meaning) of a setting as its schema states them, "" for what it leaves open."""
    schema = schema_of(file, path, group)
    for field in dataclasses.fields(schema) if schema else ():
        if field.name == path[-1]:
            found = field.metadata.get("bound")
            return (*((found.unit, bound_text(found)) if found else ("", "")), remark(schema, field))
    return "", "", ""


def remark(schema, field):
    """The comment behind a field of a schema, "" without one."""
    match = re.search(rf"^    {field.name}: .*?  # (.*)$", inspect.getsource(schema), re.MULTILINE)
    return match[1] if match else ""


def bound_text(found):
    """Limits in words."""
    if found.words:
        return ", ".join("null" if word is None else f"{word}" for word in found.words)
    if found.above_zero:
        return "above 0"
    if math.isfinite(found.low) or math.isfinite(found.high):
        return f"{found.low} to below {found.high}"
    return "one at least" if found.filled else ""


def schema_of(file, path, group):
    """The dataclass that has the setting at `path`, or None: of a task, a data source, or of every run."""
    if group in ("task", "explore"):
        return getattr(task_module("explore" if group == "explore" else file.stem), "SCHEMA", None)
    if group == "data":
        found = (sources.schema_of(name) for name in sources.names())
        return next((one for one in found if path[-1] in {field.name for field in dataclasses.fields(one)}), None)
    found = ClaimConfig if group == "claim" else RunConfig
    for key in ([group] if group not in ("", "claim") else []) + list(path[:-1]):
        found = get_type_hints(found).get(key)
        if not dataclasses.is_dataclass(found):
            return None
    return found


def table(columns, rows):
    """A table in Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)
