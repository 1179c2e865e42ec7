PYTHON ?= python3
WORKERS ?= 2
VENV := .venv/bin
CODE := engine functions knative control-plane scripts tests

.DEFAULT_GOAL := help
.PHONY: help setup run demo console test contract soak check bench image cluster-up deploy docs lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

setup: ## Make .venv and install what running needs
	@$(PYTHON) scripts/setup.py run

run: setup ## Start the platform: console, API, workers (make run PORT=... DATA=..., each may be left out)
	@$(VENV)/python scripts/run.py $(if $(PORT),--port $(PORT)) $(if $(DATA),--data "$(DATA)")

demo: setup ## Watch one flow at work: a feed becomes chat messages
	@$(VENV)/python scripts/demo.py

console: ## Build the web console (frontend/dist)
	@$(PYTHON) scripts/console.py

test: ## Run all tests
	@$(PYTHON) scripts/setup.py test
	@$(VENV)/python -m pytest -n $(WORKERS) --dist loadgroup

contract: ## Try a platform on a cluster against the contract (make contract URL=... TOKEN=... REPORT=FILE)
	@$(PYTHON) scripts/setup.py test
	@INTELLYHUB_TEST_CLUSTER=1 INTELLYHUB_URL="$(URL)" INTELLYHUB_TOKEN="$(TOKEN)" INTELLYHUB_CONTRACT_REPORT="$(REPORT)" \
		KUBECONFIG="$${KUBECONFIG:-$$HOME/.kube/config}" $(VENV)/python -m pytest tests/contract -v -n 0

soak: ## Kill the platform at random under load, and write docs/reliability.md
	@$(PYTHON) scripts/setup.py test
	@$(VENV)/python -m tests.soak

check: ## Check style, types, layers and conventions
	@$(PYTHON) scripts/setup.py test
	@$(VENV)/ruff check .
	@$(VENV)/ruff format --check .
	@$(VENV)/mypy $(CODE)
	@$(VENV)/lint-imports --no-logo --cache-dir .cache/import-linter
	@$(VENV)/python -m pytest -q tests/conventions

bench: ## Measure the budgets, side by side with other engines
	@$(PYTHON) scripts/setup.py bench
	@$(VENV)/python -m tests.benchmarks

image: ## Build an image (make image WHICH=engine|control-plane BASE=... RUNTIME=... TAG=..., each may be left out)
	@$(PYTHON) scripts/build_image.py $(if $(WHICH),--which $(WHICH)) $(if $(BASE),--base $(BASE)) $(if $(RUNTIME),--runtime $(RUNTIME)) $(if $(TAG),--tag $(TAG))

cluster-up: ## Make a cluster with Knative on this machine (make cluster-up NAME=..., may be left out)
	@$(PYTHON) scripts/cluster_up.py $(if $(NAME),--name $(NAME))

deploy: setup ## Install the platform on a cluster (make deploy OVERLAY= IMAGE= ENGINE= REGISTRY= CONTEXT=, each may be left out)
	@$(VENV)/python scripts/deploy.py $(if $(OVERLAY),--overlay $(OVERLAY)) $(if $(IMAGE),--image $(IMAGE)) \
		$(if $(ENGINE),--engine $(ENGINE)) $(if $(REGISTRY),--registry $(REGISTRY)) $(if $(CONTEXT),--context $(CONTEXT))

docs: ## Write docs/functions from manifests, documents and examples
	@$(PYTHON) scripts/setup.py run
	@$(VENV)/python scripts/document.py

lock: ## Resolve the lock files anew (make lock UPGRADE=--upgrade takes newer versions)
	@$(PYTHON) scripts/lock.py $(UPGRADE)

clean: ## Remove .venv and everything that tools left behind
	@rm -rf .venv .cache frontend/dist .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@rm -rf frontend/node_modules
	@find . -name node_modules -prune -o -type d -name __pycache__ -prune -exec rm -rf {} +
