# Every target sets up what it needs by itself, inside this folder: see tools/setup.sh.
.DEFAULT_GOAL := help
PY := .venv/bin/python
# As many tests at once as there are processors, but not more storage emulators than four.
AT_ONCE := -n auto --maxprocesses 4 --dist loadgroup
# Python keeps what it compiled, whatever the environment says: each process of the tests would compile it all anew.
export PYTHONDONTWRITEBYTECODE :=

help: ## show the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

setup: ## install everything that the targets need: .venv, packages of Node.js, a newer Node.js if wanted
	@tools/setup.sh

python-setup:
	@tools/setup.sh python

demo: setup ## the main job in a local Azure, live; MODE=audit shows the same with nothing changed
	@$(if $(MODE),GUARDRAILS_DEMO_MODE=$(MODE)) $(PY) -m sandbox demo

scan-demo: python-setup ## a tenant of 200 exemptions, and a scan of it; writes build/scan.html
	@$(PY) -m sandbox.scan_demo

sandbox: setup ## keep the local Azure running and print its addresses as JSON
	@$(PY) -m sandbox up

# Where the ARM stand-ins write down which operations the service calls; all of them are known only after all tests.
OPERATIONS := build/operations

test: lint setup ## lint, types, import contracts, generated docs, tests, permissions
	@rm -rf $(OPERATIONS)
	SANDBOX_OPERATIONS=$(CURDIR)/$(OPERATIONS) $(PY) -m pytest -m "not long" $(AT_ONCE) $(ARGS)
	$(if $(ARGS),,$(PY) -m tests.permissions $(OPERATIONS))

test-all: lint setup ## the same with the tests marked long, over HTTP and on Azurite, the whole battery, and bench-compare
	TEST_STORAGE=azurite TEST_ARM=http $(PY) -m pytest $(AT_ONCE) $(ARGS)
	$(if $(ARGS),,$(SEEDS) && $(PY) -m tests.battery matrix && $(PY) -m tests.bench_compare)

# 20,000 random sequences of events; what was counted goes into build/battery.json.
SEEDS = $(PY) -m tests.battery run 0 20000 --jobs 2 --record build/battery.json

battery: python-setup ## 20,000 seeds, the crash matrix and the mutations; writes what was shown into docs/guarantees.md
	$(SEEDS)
	$(PY) -m tests.battery matrix
	$(PY) -m tests.battery mutations
	$(PY) -m tests.battery guarantees --from build/battery.json

lint: python-setup ## style, types, import contracts, generated docs and policies
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	$(PY) -m guardrails docs --check
	$(PY) -m guardrails policy build --check --ruleset guardrails/ruleset.yaml

bench: setup ## print the figures, and write them to build/bench.json
	@$(PY) -m tests.bench

bench-compare: setup ## compare with an earlier build: REV=a commit; without REV, fail where it got worse than is stored
	@$(PY) -m tests.bench_compare $(REV)

docs: python-setup ## write the generated pages and policies again
	$(PY) -m guardrails docs
	$(PY) -m guardrails policy build --ruleset guardrails/ruleset.yaml

package: python-setup ## build the package that is deployed into build/package, and print its size
	@$(PY) -m tools.package

pictures: ## draw every kind of card, and the scan's page, into docs/pictures; needs Chromium
	@tools/setup.sh pictures
	@$(PY) -m tools.pictures

clean: ## remove what was built and cached, but not what was installed
	rm -rf build .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -not -path './.venv/*' -not -path './.tools/*' -prune -exec rm -rf {} +

distclean: clean ## remove what was installed too
	rm -rf .venv .tools sandbox/node/node_modules tests/kql/node_modules tools/pictures/node_modules

.PHONY: help setup python-setup demo scan-demo sandbox test test-all battery lint bench bench-compare docs package pictures clean distclean
