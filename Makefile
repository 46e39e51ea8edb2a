# make demo   try it: Airflow, a webhook receiver and JupyterLab on this machine
# make test   all tests that this machine can run; the others say why they were skipped
PYTHON ?= python3
PROCESSES ?= 2
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PACKAGES := hitl_notebook plugin rendering webhooks
# uv trusts the certificates that the machine trusts, as pip does: some networks have their own.
export UV_SYSTEM_CERTS ?= true

.PHONY: demo test mysql check audit docs reference smoke bench chaos fuzz release-check format constraints clean

# Compiled at once: where PYTHONDONTWRITEBYTECODE is set, each of Airflow's processes would do it again for itself.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 10) else "hitl-notebook needs Python 3.10 or newer; this is %s. Name another one: make PYTHON=python3.12 ..." % sys.version.split()[0])'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "Creating $(VENV) failed. On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --compile-bytecode -c constraints.txt -e '.[notebook,jupyterlab,airflow,receiver]' --group dev
	@$(BIN)/python -m compileall -q $(PACKAGES)
	@touch $@

demo: $(READY)
	@$(BIN)/python -m demo

smoke: $(READY)
	@$(BIN)/python -m demo.smoke

bench: $(READY)
	@$(BIN)/python -m bench

chaos: $(READY)
	@$(BIN)/python -m chaos --seed $(or $(SEED),1)

fuzz: $(READY)
	HITL_FUZZ_SECONDS=$(or $(SECONDS),600) HITL_FUZZ_SEED=$(or $(SEED),1) $(BIN)/python -m pytest -s tests/security/test_openapi.py

release-check: $(READY)
	@$(BIN)/python -m release

# In processes each with servers of its own: most tests wait more than they work.
test: $(READY)
	$(BIN)/python -m pytest -n $(PROCESSES) --dist loadscope --no-loadscope-reorder

# What the tests on MySQL need beside a server. It compiles, so it needs a compiler and libmariadb-dev (Debian).
mysql: $(READY)
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet -c constraints.txt --group mysql

check: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports
	$(BIN)/mypy
	MYPYPATH=webhooks $(BIN)/mypy docs/examples/*.py

# What bandit says (skipped is what ruff's S rules know, too, and have a reason for in the code), and whether a pinned
# version has a known vulnerability; that needs PyPI's answers about them, and fails without.
audit: $(READY)
	$(BIN)/uv tool run bandit --quiet --recursive $(PACKAGES) --skip B101,B105,B704
	$(BIN)/uv tool run pip-audit --strict --disable-pip --no-deps --requirement constraints.txt

# The site, into .site: a warning is an error. To read it while writing: .venv/bin/mkdocs serve
docs: $(READY)
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	@echo "Open .site/index.html"

# Write anew what pages have from the code: settings, metrics and routes.
reference: $(READY)
	@AIRFLOW_HOME=$$(mktemp -d) $(BIN)/python -m docs.reference

format: $(READY)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# Pin anew what the tests run with.
constraints: $(READY)
	@{ echo '# Tested versions: "pip install -c constraints.txt ...". Made by: make constraints'; \
	  $(BIN)/uv pip compile --quiet --universal --python-version 3.10 --no-annotate --no-header \
	    --no-emit-index-url --no-emit-find-links --all-extras --group dev --group mysql pyproject.toml; } > constraints.new
	@mv constraints.new constraints.txt

clean:
	rm -rf $(VENV) .venv-airflow .venv-kernels .demo .site .mypy_cache .ruff_cache .pytest_cache
