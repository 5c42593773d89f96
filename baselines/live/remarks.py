"""What a reader of a live measurement must know of the device's state, as short texts."""

SLOWED = ("hardware_slowdown", "software_thermal", "hardware_thermal", "hardware_power_brake")


def remarks(context):
    """Texts on other users of the device, a busy machine and clocks that were held down; none where all is well.

    context: what `device_context` returned.
    """
    found = []
    if context.get("other_processes"):
        found.append(f"{context['other_processes']} other processes on the device")
    load, cpus = context.get("load_average", 0.0), context.get("cpus", 0)
    if cpus and load > cpus + 0.5:
        found.append(f"the machine was busy: {load:.1f} processes wanted its {cpus} CPUs")
    if reasons := sorted(set(SLOWED).intersection(context.get("slowdown_reasons", "").split(","))):
        found.append(f"the device was slowed down: {', '.join(reasons)}")
    return found
