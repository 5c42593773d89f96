"""What MLflow's pages show at first sight: the experiment's description, its saved views, and the addresses of both.

What the page of MLflow 3.17 honours: an address of runs needs `/runs`, or its view is dropped; `workflowType` keeps the
runs in sight; a saved view is a tag of the experiment, as the page's Share button writes it, in JSON.
"""

import json
import re
from datetime import datetime
from urllib.parse import quote

NOTE = "mlflow.note.content"  # tag of a description, in Markdown
SAVED_VIEW = "mlflow.sharedViewState."  # start of the tag of a saved view
WORKFLOW = "workflowType=machine_learning"
ALL = "all-runs"  # key of the saved view of every run
SECTIONS = ("time", "throughput", "energy", "verdict", "train", "trace", "bound")  # of charts, in this order
RUN_COLUMNS = (
    "metrics.`time/measured_step_ms`",
    "metrics.`time/simulated_step_ms`",
    "params.`device`",
    "tags.`answer`",
)
CLAIM_COLUMNS = (
    "metrics.`throughput/simulated_nominal_per_s`",
    "metrics.`throughput/fastest_measured_per_s`",
    "params.`batches`",
    "tags.`answer`",
)
WIDTHS = {"metrics": 175, "params": 125, "tags": 560}  # pixels
FIRST_COLUMNS = ("attributes.`Run Name`", "runDateAndNestInfo", "duration")  # that MLflow shows in any case
SMALL = "small"  # folder of the artifacts that holds the pictures of the description
WIDEST = 900  # pixels of a picture in a description, which MLflow cuts off at its page's edge
PICTURE = re.compile(r"!\[[^\]]*\]\(artifact:([\w./-]+\.png)\)")
ARTIFACT = re.compile(r"(?<!\\)\]\(artifact:([\w./-]+)\)")


def experiment_tags(experiment_id):
    """{tag: text} that an experiment of this program has: its description and the saved view of all runs."""
    return {NOTE: experiment_note(experiment_id), SAVED_VIEW + ALL: saved_view(RUN_COLUMNS)}


def experiment_note(experiment_id):
    """How to read the experiment's page, in Markdown; its first line is what the page shows unopened."""
    table, charts = (view_path(experiment_id, charts=charts) for charts in (False, True))
    return (
        f"**Does the accelerator train a model in half the time? The column `answer` says so for each run.** "
        f"Open the [table of all runs](#{table}) or their [charts](#{charts}).\n\n"
        "- A run called `lenet5 b64 fp32` trained LeNet-5 at batch 64 in fp32 here, replayed the step on the "
        "accelerator and compared both with published devices. Its description holds the answer, the pictures and "
        "every table.\n"
        "- `claims ...` judges the claims over a whole map of workloads, batches and devices: open `report.html` among "
        "its artifacts. The runs of one workload each have metrics over batch size (the step of a chart).\n"
        "- `sweep ...` sums up the runs that carry its `sweep` tag; `explore ...` searched a design space.\n"
        "- Metrics: `time/` a training step, measured and simulated; `throughput/` samples a second; `energy/` per "
        "step; `verdict/` baselines by outcome of each claim; `bound/` what the simulated step waits for; `trace/` the "
        "size of the step; `train/` loss and accuracy.\n"
        "- *Refuted* is by every completion of the design, *impossible* even with every MAC unit busy; an interval "
        "across the threshold is *undecided*.\n"
    )


def saved_view(columns, sweep=""):
    """A saved view as JSON: the runs of a sweep, or all, the newest first, with `columns`; charts as SECTIONS says."""
    return json.dumps(
        {
            "searchFilter": f"tags.sweep LIKE '%{sweep}%'" if sweep else "",
            "orderByKey": "attributes.start_time",
            "orderByAsc": False,
            "startTime": "ALL",
            "lifecycleFilter": "Active",
            "modelVersionFilter": "All Runs",
            "datasetsFilter": [],
            "selectedColumns": list(columns),
            "columnOrder": [*FIRST_COLUMNS, *columns],
            "columnWidths": {name: WIDTHS[name.partition(".")[0]] for name in columns},
            "isAccordionReordered": True,
            "compareRunSections": [
                {"uuid": name, "name": name, "display": name not in ("trace", "bound"), "isReordered": True}
                for name in SECTIONS
            ],
            "compareRunCharts": [
                chart(metric)
                for metric in ("time/measured_step_ms", "time/simulated_step_ms")
                if columns == RUN_COLUMNS
            ],
        }
    )


def chart(metric):
    """The first charts of a saved view; MLflow adds those of all other metrics behind them."""
    return {
        "uuid": metric.replace("/", "-"),
        "type": "BAR",
        "metricSectionId": metric.partition("/")[0],
        "metricKey": metric,
        "displayName": metric.partition("/")[2],
        "runsCountToCompare": 20,
        "deleted": False,
        "isGenerated": False,
    }


def with_artifacts(text, experiment_id, run_id):
    """`text` with `](artifact:NAME)` made the address of the small picture's bytes, or of the artifact's page."""

    def address(found):
        if found[1].endswith(".png"):
            return f"](get-artifact?path={SMALL}/{found[1]}&run_uuid={run_id})"
        return f"](#{run_path(experiment_id, run_id, found[1])})"

    return ARTIFACT.sub(address, text)


def pictures(text):
    """Names of the artifacts that `text` shows as pictures."""
    return PICTURE.findall(text)


def small(path):
    """The picture in a PNG file as an image of at most WIDEST pixels across."""
    from PIL import Image

    image = Image.open(path).convert("RGB")
    size = min(WIDEST, image.width)
    return image.resize((size, round(image.height * size / image.width)), Image.Resampling.LANCZOS)


def run_path(experiment_id, run_id, artifact=""):
    """The address of a run's page, or of one of its artifacts, behind the #."""
    return (
        f"/experiments/{experiment_id}/runs/{run_id}"
        + (f"/artifacts/{quote(artifact)}" if artifact else "")
        + f"?{WORKFLOW}"
    )


def view_path(experiment_id, key=ALL, charts=False):
    """The address of a saved view behind the #, as a table or as charts."""
    mode = "&compareRunsMode=CHART" if charts else ""
    return f"/experiments/{experiment_id}/runs?{WORKFLOW}{mode}&viewStateShareKey={key}"


def sweep_key(folder):
    """What tags the runs of a sweep: its folder's name, of characters that stand in an address and in a filter."""
    return re.sub(r"[^\w-]", "-", folder.name, flags=re.ASCII)


def sweep_name(count):
    """The name of a sweep's parent run, of at most 22 characters."""
    return f"sweep {datetime.now():%m-%d %H:%M} x{count}"[:22]
