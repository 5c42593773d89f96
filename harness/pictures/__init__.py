"""Pictures, one file each; these and harness/charts.py are the files that import matplotlib."""
