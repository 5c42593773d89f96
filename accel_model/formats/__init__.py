"""Other programs' files: SCALE-Sim topologies and configurations in and out, Perfetto timelines out."""
