"""Search of a space too large for a grid: optuna's NSGA-II proposes generations, and each is replayed at once.

The one file that imports optuna. A search that goes on asks the sampler for every earlier generation again and tells it
what was found then, so it ends where an uninterrupted one ends.
"""

import time
import warnings

import numpy as np

from harness.flows.explore.search import after, joined, score
from harness.settings.errors import ExploreError

WORST = 1e30  # told of a design that was not replayed; its excess keeps it from being chosen


def sampled(problem, state, trials, population, seed):
    """Yield a State after each generation of `population` designs, from where `state` ends, up to `trials` designs.

    Raises ExploreError where optuna is missing, or proposes other designs than those of `state`.
    """
    study, choices = _study(problem, population, seed)
    earlier, told = state, 0
    while told < trials:
        began = time.perf_counter()
        asked = [study.ask(choices) for _ in range(population)]
        digits = np.array([[trial.params[name] for trial in asked] for name in choices])
        if told < earlier.done:
            rows = {name: values[..., told : told + population] for name, values in earlier.rows.items()}
            if not np.array_equal(rows["digits"], digits):
                raise ExploreError(
                    "the sampler does not propose the designs of the interrupted exploration again, as after a change "
                    "of optuna's version: start it anew with resume=false"
                )
        else:
            rows, reason = score(problem, digits)
            state = after(state, told + population, reason, joined(state.rows, rows), began)
        values = np.stack([np.nan_to_num(rows[name], posinf=WORST) for name in problem.objectives], axis=1)
        for trial, excess, of_trial in zip(asked, rows["excess"].tolist(), values.tolist(), strict=True):
            trial.set_user_attr("excess", excess)
            study.tell(trial, of_trial)
        told += population
        if told > earlier.done:
            yield state


def _study(problem, population, seed):
    """(optuna Study, {axis: distribution over the numbers of its choices})."""
    try:
        import optuna
    except ImportError:
        raise ExploreError(
            f"{problem.space.where} has {problem.space.count:,} designs, too many for a grid, and optuna, which would "
            "sample them, is missing: install optuna, name fewer choices, or raise explore.grid_most"
        ) from None
    from optuna.distributions import CategoricalDistribution, IntDistribution

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that constraints are experimental
        sampler = optuna.samplers.NSGAIISampler(
            population_size=population, seed=seed, constraints_func=lambda trial: (trial.user_attrs["excess"],)
        )
    study = optuna.create_study(directions=["minimize"] * len(problem.objectives), sampler=sampler)
    choices = {
        name: IntDistribution(0, len(values) - 1) if _ascends(values) else CategoricalDistribution(range(len(values)))
        for name, values in problem.space.axes.items()
    }
    return study, choices


def _ascends(values):
    """Whether the choices of an axis are ascending quantities, not names, arrays or values by precision."""
    return (
        values.ndim == 1 and values.dtype.kind in "if" and values.dtype != np.int8 and bool((np.diff(values) > 0).all())
    )
