"""Arguments for operators whose schema does not say what they need: {base name or overload: (args, kwargs)}."""

import torch

BY_HAND = {}
