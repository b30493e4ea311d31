# Everything a fresh clone needs. Nothing here wants root, and everything lands in .venv/ and .outdial/.

VENV    := .venv
BIN     := $(VENV)/bin
PIP     := $(BIN)/python -m pip --disable-pip-version-check
COMPILE := pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --no-header --no-annotate

.DEFAULT_GOAL := help
.PHONY: help install demo wheel test conformance screenshots lint bench talk-bench answers chaos lock clean

help:  ## show this
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | while IFS="$$(printf '\t')" read -r name words; do \
	    printf '  make %-11s %s\n' "$$name" "$$words"; done

install: $(VENV)/installed  ## set up .venv with everything Outdial needs (.venv/bin/outdial)

demo: $(VENV)/installed  ## start Outdial beside a simulated carrier and place a call (ONCE=1: stop after it; CARRIER=vonage; AGENT=llm: a model talks)
	@$(BIN)/outdial demo $(if $(ONCE),--once) $(if $(CARRIER),--carrier $(CARRIER)) $(if $(AGENT),--agent $(AGENT)) $(if $(MODEL),--model "$(MODEL)") $(ARGS)

wheel: $(VENV)/installed  ## build dist/outdial-….whl: the whole product, for pip, pipx and containers
	@$(PIP) wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .
	@ls dist/outdial-*.whl

# In several processes; of some of them, in one (ARGS="tests/db -n auto": in several). See tests/side_by_side.py.
# Each process compiles every test, and whatever a test starts compiles Outdial, unless the bytecode is kept, whatever the
# environment says. mypy looks on meanwhile: it takes what the tests leave of the processors, much of whose time is spent
# waiting for calls, and what it finds is told at the end.
test: export PYTHONDONTWRITEBYTECODE =
test: $(VENV)/installed-test  ## lint, type-check and run every test (ARGS="tests/db -x": some of them)
	$(BIN)/ruff check .
	@typed="$$(mktemp)"; trap 'rm -f "$$typed"' EXIT; \
	nice -n 19 $(BIN)/mypy >"$$typed" 2>&1 & checking=$$!; \
	$(BIN)/python -m pytest --collect-only -qq $(ARGS) >/dev/null 2>&1; \
	echo $(BIN)/python -m pytest -rs $(if $(findstring tests/,$(ARGS)),,-n auto) $(ARGS); \
	$(BIN)/python -m pytest -rs $(if $(findstring tests/,$(ARGS)),,-n auto) $(ARGS); tested=$$?; \
	wait $$checking; checked=$$?; echo $(BIN)/mypy; cat "$$typed"; exit $$((tested | checked))
	@echo "Left out: make bench, make chaos (but for its short form), make demo ONCE=1 (a call as a user sees it)."

conformance: $(VENV)/installed-test  ## of the tests only these: the same calls on every carrier (2 minutes)
	$(BIN)/python -m pytest -rs tests/conformance

screenshots: $(VENV)/installed-test  ## every page of the dashboard, light and dark, into docs/screenshots (EVERY=folder: all screens, wide and narrow)
	PYTHONPATH=tests $(BIN)/python -m $(if $(EVERY),browser.every_screen $(EVERY),browser.screenshots docs/screenshots)

lint: $(VENV)/installed-test  ## ruff and mypy alone
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(VENV)/installed-test  ## measure calls per core, latency and memory (see bench/README.md)
	$(BIN)/python -m bench $(ARGS)

talk-bench: $(VENV)/installed-test  ## of the measurements only this: does a conversation listen? (a few minutes)
	$(BIN)/python -m bench --only talk $(ARGS)

answers: $(VENV)/installed-test  ## who answered: judge a corpus of openings, and print how well (see bench/answers/README.md)
	$(BIN)/python -m bench.answers $(ARGS)

chaos: $(VENV)/installed-test  ## kill, freeze and cut off what runs for 10 minutes, then look for losses (see chaos/README.md)
	$(BIN)/python -m chaos $(ARGS)

lock:  ## renew requirements/*.txt to the newest versions pyproject.toml allows
	@test -x $(VENV)-lock/bin/uv || { python3 -m venv $(VENV)-lock && $(VENV)-lock/bin/python -m pip install --quiet uv; }
	$(VENV)-lock/bin/uv $(COMPILE) --upgrade pyproject.toml --group build -o requirements/run.txt
	$(VENV)-lock/bin/uv $(COMPILE) --upgrade pyproject.toml --group build --group dev \
	    -c requirements/run.txt -o requirements/test.txt

clean:  ## remove what make installed and the demo's data; other data in .outdial/ stays
	rm -rf dist $(VENV) $(VENV)-lock .outdial/demo .pytest_cache .mypy_cache .ruff_cache .hypothesis bench/results

# The locks name exact versions for every platform, so pip has nothing to resolve (--no-deps). They carry no hashes and
# no index: a wheel may come from PyPI or from a mirror that rebuilds wheels, as the user's pip is configured.
# hatchling comes from the lock as well; without build isolation pip doesn't fetch another one for the editable install.
$(VENV)/installed: requirements/run.txt pyproject.toml | $(BIN)/python
	@echo "Installing Outdial's dependencies into $(VENV) (about 600 MB, once; a minute or more) …"
	@requirements/install $(BIN)/python requirements/run.txt
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@
	@echo "Installed: $(BIN)/outdial. Next: make demo, or $(BIN)/outdial --help"

$(VENV)/installed-test: requirements/test.txt $(VENV)/installed
	@echo "Installing what the tests need …"
	@requirements/install $(BIN)/python requirements/test.txt
	@touch $@

$(BIN)/python:
	@python="$$(requirements/find-python)" && echo "Making $(VENV) with $$("$$python" --version) …" && \
	    "$$python" -m venv --clear $(VENV)
