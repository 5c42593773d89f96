"""Words that measurements are described in, each once."""

KINDS = ("live", "recorded", "published", "placed")
DEVICE_KINDS = ("gpu", "cpu", "fpga", "other")
MODES = ("eager", "graphs", "compiled")
SCOPES = ("step", "step_and_copy")
LIVE_SCOPES = (*SCOPES, "step_and_loading")
