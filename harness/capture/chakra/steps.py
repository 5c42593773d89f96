"""Which of the training steps that an execution trace holds is taken: one, never their sum.

Numbers of nodes grow in the order in which calls begin, on all threads together, so a step is a range of numbers.
torch.profiler marks steps as ProfilerStep#N; where nothing does, a step ends with its last optimiser's step.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from harness.capture.chakra.document import ExecutionTraceError
from harness.capture.chakra.nodes import RecordedCall

PROFILER, OPTIMIZER, BACKWARD = "ProfilerStep#", "Optimizer.step#", "autograd::engine::evaluate_function"
NUMBERED = re.compile(r"#(\d{1,18})$")
COMPLETE = 0.5  # of the calls of the fullest step, below which a step was cut off
SHOWN = 5  # steps that an error names


@dataclass(frozen=True)
class RecordedStep:
    """A step: what it is called, the number that chooses it, and its nodes, numbered from `first` to below `beyond`."""

    name: str
    number: int
    first: int = 0
    beyond: float = math.inf


def chosen(path: object, calls: Sequence[RecordedCall], number: int | None) -> tuple[RecordedStep, int]:
    """(the step to take, how many there are) of calls sorted by number.

    number: of the step; None: the last complete one, which has forward, backward and update where any step has them.
    Raises ExecutionTraceError where there is no such step.
    """
    steps = recorded_steps(calls)
    if number is not None:
        found = [step for step in steps if step.number == number]
        if not found:
            names = ", ".join(f"{step.number} ({step.name})" for step in steps[:SHOWN])
            more = f" and {len(steps) - SHOWN} more" if len(steps) > SHOWN else ""
            raise ExecutionTraceError(
                f"{path} has no step {number}: it has {names}{more}; give one, e.g. task.step={steps[0].number}"
            )
        return found[-1], len(steps)
    contents = [_content(calls, step) for step in steps]
    parts = set().union(*(parts for parts, _ in contents))
    fullest = max(count for _, count in contents)
    whole = [
        step for step, (has, count) in zip(steps, contents, strict=True) if has == parts and count >= COMPLETE * fullest
    ]
    return (whole or [steps[max(range(len(steps)), key=lambda i: contents[i][1])]])[-1], len(steps)


def recorded_steps(calls: Sequence[RecordedCall]) -> list[RecordedStep]:
    """The steps in calls sorted by number; the whole recording where nothing marks one."""
    ends = _ends(calls)
    updates = _outermost(calls, ends, OPTIMIZER)
    period = _period(_optimizers(calls, ends, updates))
    marks = _outermost(calls, ends, PROFILER)
    steps = _between_marks(calls, ends, marks)
    numbers = [mark.number for mark in updates]
    held = [bisect_left(numbers, step.beyond) - bisect_left(numbers, step.first) for step in steps]
    if steps and not (period < len(updates) and max(held) > period):
        return steps
    return _up_to_updates(calls, ends, updates, period)


def _ends(calls):
    """{number: the largest number of a call inside it, or its own}; callers have smaller numbers than their calls."""
    ends = {call.number: call.number for call in calls}
    for call in reversed(calls):
        if call.parent in ends and call.parent != call.number:
            ends[call.parent] = max(ends[call.parent], ends[call.number])
    return ends


def _outermost(calls, ends, start):
    found = []
    for call in calls:
        if call.name.startswith(start) and not (found and call.number <= ends[found[-1].number]):
            found.append(call)
    return found


def _between_marks(calls, ends, marks):
    """From each mark to the next, or to where its own thread goes on after it."""
    threads, steps = {}, []
    for call in calls:
        threads.setdefault(call.thread, []).append(call.number)
    for position, mark in enumerate(marks):
        following = threads[mark.thread]
        after = bisect_right(following, ends[mark.number])
        beyond = [following[after]] if after < len(following) else []
        beyond += [other.number for other in marks[position + 1 : position + 2]]
        numbered = NUMBERED.search(mark.name)
        number = int(numbered[1]) if numbered else position
        steps.append(RecordedStep(mark.name, number, mark.number, min(beyond, default=math.inf)))
    return steps


def _up_to_updates(calls, ends, updates, period):
    """From one step's last update to the next one's; what follows the last is another step that was cut off."""
    if not updates:
        return [RecordedStep("all that was recorded", 0)]
    closing = updates[period - 1 :: period] or updates[-1:]
    limits = [ends[mark.number] + 1 for mark in closing]
    firsts = [0, *limits[:-1]]
    if len(closing) == 1:
        trailing = any(call.number >= limits[0] and call.name.startswith(BACKWARD) for call in calls)
        limits = limits if trailing else [math.inf]
    return [
        RecordedStep(mark.name, number, first, beyond)
        for number, (mark, first, beyond) in enumerate(zip(closing, firsts, limits, strict=True))
    ]


def _optimizers(calls, ends, updates):
    """Which optimiser each update is of: one class that writes to one of the same storages last is the same."""
    owner, found = {}, []  # owner: {(class, storage that it writes last): number}
    for mark in updates:
        keys = [(mark.name, storage) for storage in _written_last(calls, ends, mark)] or [(mark.name, None)]
        number = next((owner[key] for key in keys if key in owner), len(found))
        owner |= dict.fromkeys(keys, number)
        found.append(number)
    return found


def _written_last(calls, ends, mark):
    for position in range(_position(calls, ends[mark.number]), _position(calls, mark.number), -1):
        call = calls[position]
        if "!" in call.schema and call.inputs and (written := frozenset(_storages(call.inputs[0][0]))):
            return written
    return frozenset()


def _position(calls, number):
    return bisect_right(calls, number, key=lambda call: call.number) - 1


def _storages(value):
    """The storage numbers of a recorded [tensor, storage, offset, elements, bytes, device], or of a list of such."""
    if not isinstance(value, list) or not value:
        return []
    if not isinstance(value[0], list):
        return [value[1]] if len(value) > 1 and type(value[1]) is int else []
    return [one[1] for one in value if isinstance(one, list) and len(one) > 1 and type(one[1]) is int]


def _period(names):
    """The smallest number of updates after which they repeat; all of them where they do not."""
    count, shorter = len(names), [0] * len(names)  # of each prefix: the longest that it begins and ends with
    for i in range(1, count):
        length = shorter[i - 1]
        while length and names[i] != names[length]:
            length = shorter[length - 1]
        shorter[i] = length + (names[i] == names[length])
    return count - shorter[-1] if count else 1


def _content(calls, step):
    """({which of backward and update a step has}, its calls of operators)."""
    parts, count = set(), 0
    for position in range(_position(calls, step.first - 1) + 1, len(calls)):
        call = calls[position]
        if call.number >= step.beyond:
            break
        parts |= {start for start in (BACKWARD, OPTIMIZER) if call.name.startswith(start)}
        count += bool(call.schema)
    return parts, count
