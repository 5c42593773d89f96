"""The command line: `halfstep`, or `python -m harness`."""

import os
import signal
import sys
from pathlib import Path

CONF = Path(__file__).resolve().parent.parent / "conf"


def main():
    """Run the command line; returns nothing, exits with 1 and a short text where a setting or its world is wrong."""
    if "--version" in sys.argv[1:]:
        from importlib.metadata import version

        sys.stdout.write(f"halfstep {version('halfstep')}\n")
        return
    if {"--help", "-h"} & set(sys.argv[1:]):
        from harness.usage import usage

        sys.stdout.write(usage(CONF))
        return
    from harness.tasks.failures import explained

    wants_traceback = "HYDRA_FULL_ERROR" in os.environ
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then lets exceptions through, so that they are explained here
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")  # a server that is away is told of in seconds
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "8")  # seconds, and twice that with the other try
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ended by a scheduler, runs are closed as by Ctrl-C
    try:
        _application()()
    except Exception as error:
        if wants_traceback or (text := explained(error)) is None:
            raise
        sys.stderr.write(f"error: {text}\n")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; finished runs are kept, and resume=true goes on with a sweep\n")
        sys.exit(130)


def _application():
    import hydra

    from harness.settings.schema import register

    register()
    return hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")(_job)


def _job(node):
    from harness.app import job

    return job(node)


if __name__ == "__main__":
    main()
