"""A systolic array in Verilog, and its simulation; nothing else in `accel_model` imports this package."""
