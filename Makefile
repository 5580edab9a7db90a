# `make run` starts Memtrace, `make test` checks everything. `make help` lists the rest.
# PYTHON= chooses the Python (3.11 or newer) that .venv is made with.

export PYTHON
PORT ?=
DATA ?=

.DEFAULT_GOAL := help
.PHONY: help install run run-aws test check lock deb docker package clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 18

install: ## make .venv with what running needs
	@scripts/install runtime

run: install ## start a server that needs no configuration (PORT=9100 DATA=./data)
	@exec .venv/bin/memtrace dev $(if $(PORT),--port "$(PORT)") $(if $(DATA),--data "$(DATA)")

run-aws: ## the same as deployed in AWS, with stand-ins for AWS (PORT=9100 DATA=./data)
	@scripts/install dev
	@exec .venv/bin/memtrace dev --aws $(if $(PORT),--port "$(PORT)") $(if $(DATA),--data "$(DATA)")

test: ## all checks, then all tests
	@scripts/install dev
	@scripts/test

check: ## format, lint and types alone
	@scripts/install dev
	@scripts/check

lock: ## write requirements/*.txt anew from pyproject.toml (UPGRADE=1 takes newer versions)
	@scripts/install dev
	@scripts/lock $(if $(UPGRADE),--upgrade)

deb: install ## build a Debian package in dist/, for this machine's Debian and its Python
	@infra/deb/build

package: install ## build what runs in AWS Lambda, in dist/, without Docker
	@.venv/bin/python scripts/package.py

# What `sam build` calls, for each function of template.yaml.
build-%:
	@$(or $(wildcard .venv/bin/python),python3) scripts/package.py --into "$(ARTIFACTS_DIR)"

docker: ## build the container image memtrace:latest
	@docker build --tag memtrace:latest .

clean: ## remove what the other commands made, but no data
	@rm -rf .venv .sdk-venv .integrations-venv sdks/typescript/node_modules sdks/typescript/dist .aws-sam dist build .coverage .coverage.* .mypy_cache .ruff_cache .hypothesis
