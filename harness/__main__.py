"""The command line: `halfstep`, or `python -m harness`."""

import os
import re
import signal
import sys

from harness import tasks
from harness.settings import CONF
from harness.text.shown import message


def main() -> None:
    """Run the command line; returns nothing, exits with 1 and a short text where a setting or its world is wrong."""
    if "--version" in sys.argv[1:]:
        from importlib.metadata import version

        sys.stdout.write(f"halfstep {version('halfstep')}\n")
        return
    if {"--help", "-h"} & set(sys.argv[1:]):
        sys.stdout.write(usage())
        return
    if any(one.startswith("--e") for one in sys.argv[1:]):
        sys.stderr.write("error: --experimental-rerun runs what a pickle holds: give the command of the run again\n")
        sys.exit(1)
    wants_traceback = "HYDRA_FULL_ERROR" in os.environ
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then lets exceptions through, so that they are explained here
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")  # a server that is away is told of in seconds
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "8")  # seconds, and twice that with the other try
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ended by a scheduler, runs are closed as by Ctrl-C
    try:
        _application()()
    except Exception as error:
        if wants_traceback or (text := tasks.failures.explained(error)) is None:
            raise
        sys.stderr.write(f"error: {message(text)}\n")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; finished runs are kept, and resume=true goes on with a sweep\n")
        sys.exit(130)


def usage() -> str:
    """The text of --help, from conf/ alone: Hydra's own takes more than a second to list the groups."""
    from omegaconf import OmegaConf

    texts = OmegaConf.load(CONF / "hydra" / "help" / "halfstep.yaml")
    groups = [folder for folder in sorted(CONF.iterdir()) if folder.is_dir() and folder.name != "hydra"]
    lines = [f"{group.name}: {', '.join(sorted(file.stem for file in group.glob('*.yaml')))}" for group in groups]
    return "\n".join([texts.header, "Groups (GROUP=NAME chooses one)", *lines, "", texts.footer])


def _application():
    import hydra

    tasks.sources.install(trusted=any(re.fullmatch(r"\+{0,2}trust=true", one, re.I) for one in sys.argv[1:]))
    return hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")(_job)


def _job(node):
    """Do what the composed settings say; returns a small dict. Hydra's state is read here, once."""
    from hydra.core.hydra_config import HydraConfig

    job = tasks.job.read_job(node, HydraConfig.get())
    return getattr(tasks.job.task_module(job.task), job.task)(job)


if __name__ == "__main__":
    main()
