.DEFAULT_GOAL := help
.PHONY: help demo test lint check verify bench lock docs

help: ## show this help
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## the main job on a real face recogniser
	./run demo

test: ## the test suite
	./run test

lint: ## ruff, mypy, import contracts
	./run lint

check: lint test ## what CI runs

verify: ## the heavy checks: real peers, the image, a fresh machine
	./run verify

bench: ## how fast it is beside its peers
	./run bench

lock: ## write the hashed locks anew (needs uv)
	requirements/compile.sh

docs: ## write the generated pages anew
	./run python -m proxy.settings.render
	./run python -m proxy.policy.schema > config/policy.schema.json
	./run python -m proxy.authn.issuers_schema > config/issuers.schema.json
