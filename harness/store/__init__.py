"""Where results are kept: files, the keys by which they are found again, MLflow."""
