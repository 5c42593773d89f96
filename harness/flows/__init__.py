"""Settings in, values out: what a task computes, without showing or logging it."""
