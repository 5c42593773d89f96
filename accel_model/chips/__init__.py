"""Published chips as designs: what the model says beside what the chip does."""
