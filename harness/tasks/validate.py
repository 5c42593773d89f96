"""task=validate: published figures of real chips beside what the model says of the same work, cell by cell."""

from dataclasses import dataclass

from accel_model.chips.errors import ERROR_COLUMNS, model_errors
from accel_model.chips.validation import cells
from harness.flows.traces import captured
from harness.report.listings import validation_errors, validation_table
from harness.settings import shipped
from harness.store import files
from harness.tasks.job import Job
from harness.text.console import console, show
from harness.text.table import as_csv, as_markdown

HEAD = "# Signed errors ln(simulated / published) of the model: halfstep task=validate task.errors=FILE\n"


@dataclass
class ValidateConfig:
    """What task=validate is told."""

    errors: str | None  # table of the model's errors to write


SCHEMA = ValidateConfig


def validate(job: Job) -> dict:
    """Print and save the table of published and simulated figures; returns how many cells it has."""
    resnet50, mixed = shipped.load("imagenet_resnet50"), shipped.precision("bf16")  # as TPUs train
    table = cells(lambda batch: captured(resnet50, mixed, batch))
    shown = [validation_table(table), validation_errors(table)]
    path = job.folder / "validation.md"
    files.write(path, "\n".join(as_markdown(one) for one in shown))
    lines = [f"Saved: {path}"]
    if (errors := job.config.task.errors) is not None:
        files.write(errors, HEAD + as_csv(ERROR_COLUMNS, model_errors(table)))
        lines.append(f"Saved: {errors}")
    show(console(), shown, lines)
    return {"cells": len(table)}
