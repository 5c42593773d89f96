# make run: the main job. make test: the whole suite. Both first prepare .venv (about 6 GB, once).
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.ready
DOCS := .venv/.docs

.PHONY: setup run test lint bench fpga docs record-figures figures pictures clean

setup: $(STAMP)

# The stamp is written last, so that an interrupted installation is repeated and not half-used.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info[:2] <= (3, 13) else "error: Python 3.11 to 3.13 is needed and $(PYTHON) is " + sys.version.split()[0] + "; use make PYTHON=python3.12")'
	@$(PYTHON) -c 'import venv, ensurepip' || { echo "error: the venv module is missing; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@echo "Preparing .venv: about 6 GB and a few minutes, once."
	rm -f $(STAMP)
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $(STAMP)

run: $(STAMP)
	$(BIN)/halfstep $(ARGS)

test: $(STAMP)
	$(BIN)/python -m pytest $(ARGS)

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

bench: $(STAMP)
	$(BIN)/python -m pytest tests/bench --benchmark-only $(ARGS)

# Place and route: hours on one core for all variants; what has a result is not repeated.
fpga: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[fpga]"
	$(BIN)/python -m accel_model.rtl.place_and_route baselines/data/placed $(ARGS)

# The documentation as a site, which opens from the disk: build/site/index.html.
docs: $(DOCS)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "build/site/index.html is written"

$(DOCS): $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[docs]"
	touch $(DOCS)

# Figures: record-figures runs the program (ARGS names parts, by default all) and writes docs/figures/data; figures writes
# them into README and docs.
record-figures: $(STAMP)
	$(BIN)/python docs/figures/record.py $(ARGS)

figures: $(STAMP)
	$(BIN)/python docs/figures/write.py

# Pictures of the report and of MLflow's pages, by a chromium on the PATH: ARGS=FOLDER with the mlflow.db of a sweep and a map.
pictures: $(DOCS)
	$(BIN)/python docs/pictures/make.py $(ARGS)

clean:
	rm -rf .venv build *.egg-info .pytest_cache .ruff_cache
