# The doors of this repository: `make help` lists them. Each works from a clean clone and installs what it needs where it may.

CARGO ?= cargo
PYTHON ?= python3
# The programs this Makefile calls see the same choices.
export CARGO PYTHON

# Where cargo builds; everything else that is made goes there too.
TARGET := $(or $(CARGO_TARGET_DIR),target)
# Where programs are kept that the checks need and cargo installs. A machine that builds often may name a lasting folder.
OPSCONDUCTOR_TOOLS ?= $(TARGET)/tools
# A copy of the RustSec advisory database; empty: advisories are not checked.
OPSCONDUCTOR_ADVISORY_DB ?= $(wildcard ../shared/advisory-db)
export OPSCONDUCTOR_TOOLS OPSCONDUCTOR_ADVISORY_DB

# What `make demo` and the benches are given, for example: make demo ARGS="--once --json"
ARGS ?=

# The features tests and lints are built with: one set for all of them, so that the dependencies are compiled once. The crate winrm-rs declares
# a newer Rust than we do, and builds with ours; no default feature turns it on.
FEATURES ?= opsconductor-core/email,opsconductor-core/http,opsconductor-core/winrm,opsconductor-core/kerberos,opsconductor-core/ssh,opsconductor-core/testing,opsconductor-server/postgres,opsconductor-tests/winrm-rs
WORKSPACE := --locked --ignore-rust-version --workspace --features $(FEATURES)

SCRIPTS := tests/scripts
KERBEROS := $(SCRIPTS)/kerberos.sh
KERBEROS_BUILD := $(WORKSPACE),opsconductor-tests/kerberos
INTEROP := examples/windows-sim/interop
FORMATS := tests/interop
PYTEST = "$(TARGET)/venv/bin/python" -m pytest -p no:cacheprovider

.DEFAULT_GOAL := help
.PHONY: help demo test test-rust test-python test-module test-deploy test-kerberos test-winrm-rs fuzz interop venv check fmt clippy docs deny rules guide bench bench-winrm bench-ssh bench-queue bench-security chaos bare packages test-packages

help: ## Show this list
	@echo "make demo     Run the sample jobs on three simulated Windows hosts (ARGS=\"--once --json\" passes through)"
	@echo "make test     Run every test: units, doctests, store suites, scenarios, and pywinrm and pypsrp against the simulated host"
	@echo "make check    Look without changing: format, lints per feature set, docs, dependency rules, README, guide, and the tests SECURITY.md names"
	@echo "make bench    Print the benchmarks, one JSON object a line (ARGS=--quick for one short round)"
	@echo "make bench-winrm  Print what WinRM costs beside pywinrm, pypsrp, Ansible, winrm-rs and winrmcp, one JSON object a line"
	@echo "make bench-ssh  Print what SSH costs beside Ansible and OpenSSH's sftp, one JSON object a line"
	@echo "make bench-queue  Print what the queue costs on a disk that syncs, beside graphile-worker, pg-boss, apalis, graphile_worker, procrastinate, huey and litequeue, one JSON object a line"
	@echo "make bench-security  Print what looking after secrets, logins and the audit record costs: 100,000 credentials moved to another key under load, bcrypt upgraded, appends, verification"
	@echo "make test-kerberos  Run WinRM under Kerberos against MIT's key distribution centre and GSSAPI, which it installs"
	@echo "make test-winrm-rs  Run the promises of a transport on the connector with the winrm-rs crate, which asks for a newer Rust"
	@echo "make fuzz     Give random input to every parser, a minute each (ARGS=\"--seconds 2\" for a short round)"
	@echo "make chaos    Kill 1,000 processes over 100,000 runs on each store, break everything else around them, and check what was promised (ARGS=\"--runs 5000 --kills 100\")"
	@echo "make interop  Run pywinrm and pypsrp against the simulated Windows host"
	@echo "make test-deploy  Hold the files of examples/server/deploy against the program, nginx and systemd"
	@echo "make bare     Build the core without features from nothing, and say how long that took"

# Cargo talks on standard error; standard output is the program's alone.
demo:
	@$(CARGO) run --locked --package opsconductor-server --bin opsconductor -- demo $(ARGS)

packages:
	@$(SCRIPTS)/ensure-packages.sh cc:gcc ld:binutils git:git $(PYTHON):python3

# Cargo's tests come last: theirs is the longest list, and it ends with the word on all of them.
test: test-packages test-python interop test-deploy
	$(KERBEROS) --if-possible $(KERBEROS_BUILD)
	$(CARGO) test $(WORKSPACE)

# The PostgreSQL store and SSH are tested on servers that their tests start and put away.
test-packages:
	@$(SCRIPTS)/ensure-packages.sh setpriv:util-linux postgres:postgresql sshd:openssh-server ssh-keygen:openssh-client sftp:openssh-client sudo:sudo

test-rust: packages test-packages
	$(CARGO) test $(WORKSPACE)

# Optimized: many processes share few cores. The seed goes to standard error first; one JSON object for each store to standard output.
chaos: packages test-packages
	@$(CARGO) build --release $(WORKSPACE) --bin chaos --bin crash-worker
	@"$(TARGET)/release/chaos" $(ARGS)

# The build of the tests: it checks that no arithmetic overflows. The seed goes to standard error first.
fuzz: packages
	@$(CARGO) build $(WORKSPACE) --bin fuzz
	@"$(TARGET)/debug/fuzz" $(ARGS)

test-kerberos: packages
	$(KERBEROS) $(KERBEROS_BUILD)

test-winrm-rs: packages
	$(CARGO) test $(WORKSPACE) --test transport_winrm_rs

# What we write and send, read by programs that share no code with ours.
test-python: venv test-module
	$(PYTEST) $(FORMATS)/envelope_check.py $(FORMATS)/audit_check.py

# `import opsconductor`, out of the same build as the tests, laid out as a wheel has it.
test-module: venv
	$(CARGO) build $(WORKSPACE) --lib
	rm -rf "$(TARGET)/python" && mkdir -p "$(TARGET)/python" && cp -R opsconductor-py/python/opsconductor "$(TARGET)/python/"
	cp "$(TARGET)/debug/lib_core.so" "$(TARGET)/python/opsconductor/_core.abi3.so"
	PYTHONPATH="$(TARGET)/python" $(PYTEST) -c opsconductor-py/pyproject.toml opsconductor-py/tests

# The program comes out of the same build as the tests, so that it shares their dependencies.
interop: venv
	program="$$($(SCRIPTS)/built-binary.sh windows-sim $(WORKSPACE) --all-targets)" && \
		WINDOWS_SIM_BIN="$$program" $(PYTEST) $(INTEROP)

# The files people deploy with, held against the program, nginx and, where it is, systemd.
test-deploy: venv
	@$(SCRIPTS)/ensure-packages.sh nginx:nginx-light bash:bash
	program="$$($(SCRIPTS)/built-binary.sh opsconductor $(WORKSPACE) --all-targets)" && \
		OPSCONDUCTOR_BIN="$$program" $(PYTEST) $(FORMATS)/deploy_check.py

venv: packages
	$(SCRIPTS)/python-env.sh "$(TARGET)/venv" $(INTEROP)/requirements.txt $(FORMATS)/requirements.txt

check: fmt clippy docs rules guide deny

fmt:
	$(CARGO) fmt --all --check

# The core is looked at in each feature set a host can choose; the workspace with all that tests turn on.
clippy: packages
	$(CARGO) clippy $(WORKSPACE) --all-targets -- --deny warnings
	$(CARGO) clippy --locked --package opsconductor-core --no-default-features -- --deny warnings
	$(CARGO) clippy --locked --package opsconductor-core --no-default-features --features testing -- --deny warnings
	$(CARGO) clippy --locked --package opsconductor-core --no-default-features --features email -- --deny warnings
	$(CARGO) clippy --locked --package opsconductor-core --no-default-features --features http -- --deny warnings
	$(CARGO) clippy --locked --package opsconductor-core --no-default-features --features winrm -- --deny warnings
	$(CARGO) clippy --locked --package opsconductor-core --no-default-features --features ssh -- --deny warnings
	$(CARGO) clippy --locked --ignore-rust-version --package opsconductor-core --no-default-features --features winrm-rs -- --deny warnings
	$(CARGO) clippy --locked --package opsconductor-store-pg -- --deny warnings
	$(CARGO) clippy --locked --package opsconductor-server --no-default-features -- --deny warnings
	$(CARGO) clippy --locked --package opsconductor-server --no-default-features --features postgres -- --deny warnings

docs: packages
	RUSTDOCFLAGS="--deny warnings" $(CARGO) doc $(WORKSPACE) --no-deps

deny: packages
	OPSCONDUCTOR_SCRATCH="$(TARGET)/deny" $(SCRIPTS)/deny.sh

rules: packages
	$(PYTHON) $(SCRIPTS)/manifest_rules.py
	$(PYTHON) $(SCRIPTS)/absent_dependencies.py

guide: packages
	$(PYTHON) $(SCRIPTS)/guide_agrees.py
	$(PYTHON) $(SCRIPTS)/security_names_tests.py

bench: packages
	@$(CARGO) bench --locked --package opsconductor-benches -- $(ARGS)

# The peers are installed below the target directory. A round over many hosts opens many sockets.
bench-winrm: packages
	@peers="$$(benches/peers/winrm/prepare.sh "$(TARGET)/bench-peers")" && eval "$$peers" && \
		{ ulimit -n "$$(ulimit -H -n)" || true; } && \
		$(CARGO) bench --locked --package opsconductor-benches --bench winrm -- $(ARGS)

# A round has 50 connections to servers of this machine.
bench-ssh: packages test-packages
	@peers="$$(benches/peers/ssh/prepare.sh "$(TARGET)/bench-peers")" && eval "$$peers" && \
		$(CARGO) bench --locked --package opsconductor-benches --bench ssh -- $(ARGS)

bench-queue: packages test-packages
	@peers="$$(benches/peers/queue/prepare.sh "$(TARGET)/bench-peers")" && eval "$$peers" && \
		$(CARGO) bench --locked --package opsconductor-benches --bench queue -- $(ARGS)

bench-security: packages test-packages
	@$(CARGO) bench --locked --package opsconductor-benches --bench security -- $(ARGS)

# CC=false: whatever asks for a C compiler fails. (Rust itself links with `cc`, which is not the same.)
bare:
	@rm -rf "$(TARGET)/bare"
	@start=$$(date +%s); \
	CC=false CXX=false CARGO_TARGET_DIR="$(TARGET)/bare" $(CARGO) build --locked --package opsconductor-core --no-default-features && \
	echo "bare core: $$(( $$(date +%s) - start )) s"; \
	status=$$?; rm -rf "$(TARGET)/bare"; exit $$status
