"""What tests share: made-up measurements, traces and designs, oracles, and the program run in a folder."""
