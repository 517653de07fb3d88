# SPDX-License-Identifier: Apache-2.0
# `make help` lists the targets. CC=clang and SAN=address,undefined (or thread)
# choose another build; each has its own folder below build/.

ifeq ($(origin CC),default)
CC := gcc
endif
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
BASH_COMPLETIONS := share/bash-completion/completions
ZSH_COMPLETIONS := share/zsh/site-functions
SAN ?=
comma := ,
B := build/$(notdir $(CC))$(if $(SAN),-$(subst $(comma),-,$(SAN)))
PYTHON := /usr/bin/python3

PROGRAMS := milter deliverd apid admin
BINARIES := $(PROGRAMS:%=$(B)/e2a-%)
COMMAND := $(B)/e2a

# What the build, the run and the tests need, all from Debian 12.
PACKAGES := gcc make pkg-config libc6-dev libmilter-dev libpq-dev libssl-dev \
	libcurl4-openssl-dev libjansson-dev libmicrohttpd-dev libwebsockets-dev \
	libwebsockets-evlib-ev libev-dev \
	libopendkim-dev libspf2-dev libopendmarc-dev libpsl-dev publicsuffix libunbound-dev \
	libgmime-3.0-dev libuv1-dev libseccomp-dev libidn2-dev libcmocka-dev \
	postfix postfix-pgsql postgresql postgresql-client nsd curl util-linux \
	python3 python3-yaml python3-pytest python3-dkim python3-psycopg2 python3-dnspython \
	python3-websockets python3-aiohttp python3-aiosmtpd python3-jsonschema python3-hypothesis
DEV_PACKAGES := clang clang-format clang-tidy libclang-rt-14-dev
BENCH_PACKAGES := wrk
# A browser for tests of the pages, large, others' cryptography, shells and manuals: only those who
# test get them.
CHECK_PACKAGES := chromium chromium-driver python3-selenium python3-cryptography python3-pip zsh \
	man-db groff

# Those whose headers lie outside /usr/include.
PKGS := libpq gmime-3.0 opendkim libwebsockets
# -isystem: warnings are for our own code.
THIRD_PARTY := $(patsubst -I%,-isystem%,$(shell pkg-config --cflags $(PKGS) 2>/dev/null))

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wpointer-arith -Wcast-qual -Wwrite-strings -Wundef -Wvla -Wformat=2 \
	-Wnull-dereference -Wimplicit-fallthrough -Wconversion -Werror
HARDEN := $(if $(SAN),,-D_FORTIFY_SOURCE=3) -fstack-protector-strong -fstack-clash-protection \
	-fcf-protection
SANFLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer)
CFLAGS ?= -O2 -g
ALL_CFLAGS := -std=c11 -D_GNU_SOURCE $(WARN) $(HARDEN) $(SANFLAGS) $(CFLAGS) -fPIE -pthread \
	-I. $(THIRD_PARTY) -include common/base/banned.h
ALL_LDFLAGS := -pie -Wl,-z,relro,-z,now -pthread $(SANFLAGS) $(LDFLAGS)

# Layers, lowest first. A program links the layers it uses, in this order.
BASE_LIBS := -ljansson -lcrypto
MAIL_LIBS := -lunbound -lidn2 $(shell pkg-config --libs gmime-3.0 2>/dev/null)
STORE_LIBS := -lpq
METRICS_LIBS := -lmicrohttpd # of the daemons, which serve metrics; of apid for its API too
milter_LIBS := -lmilter -lopendkim -lspf2 -lopendmarc -lpsl -lseccomp $(METRICS_LIBS)
deliverd_LIBS := -luv -lcurl -lopendkim $(METRICS_LIBS)
apid_LIBS := $(METRICS_LIBS) -lwebsockets -lcurl
admin_LIBS :=
cli_LIBS := -lcurl -lwebsockets

objects = $(patsubst %.c,$(B)/%.o,$(sort $(wildcard $(1)/*.c)))
library = $(B)/lib$(notdir $(1)).a
BASE := $(B)/libbase.a
MAIL := $(B)/libmail.a
STORE := $(B)/libstore.a
COMMON := $(STORE) $(MAIL) $(BASE)
COMMON_LIBS := $(STORE_LIBS) $(MAIL_LIBS) $(BASE_LIBS)

TEST_SOURCES := $(sort $(wildcard tests/unit/*/test_*.c tests/sql/test_*.c))
TESTS := $(TEST_SOURCES:%.c=$(B)/%)
FUZZ_SOURCES := $(sort $(wildcard tests/fuzz/fuzz_*.c))
REPLAYS := $(FUZZ_SOURCES:%.c=$(B)/%)
TOOL_SOURCES := $(sort $(wildcard tests/tools/*.c))
TOOLS := $(TOOL_SOURCES:%.c=$(B)/%)

# `make V=1` shows the commands.
Q := $(if $(V),,@)

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: help all tests tools deps deps-dev run demo check check-unit check-integration bench \
	bench-inbound bench-outbound bench-rest bench-sockets bench-waiting bench-claims \
	bench-webhooks bench-dashboard bench-cli fuzz lint format install clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 20

all: $(BINARIES) $(COMMAND) ## build the programs
	@:

deps: ## install the Debian packages that are missing
	@scripts/deps $(PACKAGES)

deps-dev: deps ## ... and those that format, fuzz and clang builds need
	@scripts/deps $(DEV_PACKAGES)

run: deps ## start everything under run/ and stay (Ctrl-C stops it)
	@$(MAKE) --no-print-directory all
	@$(PYTHON) -m scripts.stack run --build $(B) $(if $(RELAYHOST),--relayhost '$(RELAYHOST)')

demo: deps ## mail to agents, from them and approved, shown and checked, without a terminal
	@$(MAKE) --no-print-directory all
	@$(PYTHON) -m scripts.stack demo --build $(B)

check: deps ## every test
	@scripts/deps $(CHECK_PACKAGES)
	@scripts/check $(B)

check-unit: ## lint, unit and sql tests, fuzz corpora only
	@scripts/check --unit $(B)

check-integration: ## integration and fault tests only
	@scripts/deps $(CHECK_PACKAGES)
	@scripts/check --integration $(B)

tests: $(TESTS) $(REPLAYS) $(TOOLS)

tools: $(TOOLS) $(B)/python

bench: bench-inbound bench-outbound bench-rest bench-sockets bench-waiting bench-claims bench-webhooks bench-dashboard bench-cli ## all of them, as ratios

bench-inbound: deps ## inbound mail next to plain Postfix
	@$(MAKE) --no-print-directory all $(B)/tests/bench/addheader
	@$(PYTHON) -m tests.bench --build $(B) inbound

bench-outbound: deps ## mail from agents next to smtp-source
	@scripts/deps $(BENCH_PACKAGES)
	@$(MAKE) --no-print-directory all $(B)/tests/bench/takeheader
	@$(PYTHON) -m tests.bench --build $(B) outbound $(if $(ROUNDS),--rounds $(ROUNDS))

bench-rest: deps ## REST next to bare libmicrohttpd and bare Postgres
	@scripts/deps $(BENCH_PACKAGES)
	@$(MAKE) --no-print-directory all $(B)/tests/bench/constant
	@$(PYTHON) -m tests.bench --build $(B) rest $(if $(ROUNDS),--rounds $(ROUNDS))

bench-sockets: deps ## 10,000 WebSockets next to bare libwebsockets
	@$(MAKE) --no-print-directory all $(B)/tests/bench/crowd $(B)/tests/bench/megaphone
	@$(PYTHON) -m tests.bench --build $(B) sockets $(if $(ROUNDS),--rounds $(ROUNDS))

bench-waiting: deps ## REST beside 1,000 long polls next to REST alone
	@scripts/deps $(BENCH_PACKAGES)
	@$(MAKE) --no-print-directory all
	@$(PYTHON) -m tests.bench --build $(B) waiting $(if $(ROUNDS),--rounds $(ROUNDS))

bench-claims: deps ## claims of webhook jobs with 1,000,000 waiting next to 1,000
	@$(MAKE) --no-print-directory all $(B)/tests/bench/claimers
	@$(PYTHON) -m tests.bench --build $(B) claims $(if $(ROUNDS),--rounds $(ROUNDS))

bench-webhooks: deps ## webhook calls next to a bare libcurl loop
	@$(MAKE) --no-print-directory all $(B)/tests/bench/hooksink $(B)/tests/bench/hookpost
	@$(PYTHON) -m tests.bench --build $(B) webhooks $(if $(ROUNDS),--rounds $(ROUNDS))

bench-dashboard: deps ## the overview in a browser with 100,000 messages next to 10
	@scripts/deps $(CHECK_PACKAGES)
	@$(MAKE) --no-print-directory all
	@$(PYTHON) -m tests.bench --build $(B) dashboard $(if $(ROUNDS),--rounds $(ROUNDS))

bench-cli: deps ## e2a listen next to the same in Node, if that is there
	@$(MAKE) --no-print-directory $(COMMAND)
	@$(PYTHON) -m tests.bench --build $(B) cli $(if $(ROUNDS),--rounds $(ROUNDS))

fuzz: deps-dev ## run every fuzz target for FUZZ_SECONDS (default 60) each, with clang
	@tests/fuzz/run $(or $(FUZZ_SECONDS),60)

lint: ## layers, includes, banned names
	@tests/lint/run

format: ## clang-format over the tree
	@clang-format-14 -i $$(git ls-files '*.c' '*.h')

install: all ## below $(DESTDIR)$(PREFIX)
	install -d $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(PREFIX)/share/e2a/postfix $(DESTDIR)$(SYSCONFDIR)/e2a
	install -m 755 $(BINARIES) $(DESTDIR)$(PREFIX)/sbin
	install -m 644 $(wildcard postfix-conf/*) $(DESTDIR)$(PREFIX)/share/e2a/postfix
	install -d $(addprefix $(DESTDIR)$(PREFIX)/,bin share/man/man1 $(BASH_COMPLETIONS) $(ZSH_COMPLETIONS))
	install -m 755 $(COMMAND) $(DESTDIR)$(PREFIX)/bin
	install -m 644 cli/e2a.1 $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 644 cli/completions/e2a.bash $(DESTDIR)$(PREFIX)/$(BASH_COMPLETIONS)/e2a
	install -m 644 cli/completions/_e2a $(DESTDIR)$(PREFIX)/$(ZSH_COMPLETIONS)

clean: ## remove build/
	rm -rf build

$(B)/%.o: %.c
	@mkdir -p $(@D)
	@echo "CC $<"
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

# The migrations as data, with their checksums: `e2a-admin migrate` and the
# daemons' schema check use the same bytes.
$(B)/gen/migrations.c: $(sort $(wildcard migrations/*.sql)) scripts/embed-migrations
	@mkdir -p $(@D)
	scripts/embed-migrations migrations > $@
$(B)/gen/migrations.o: $(B)/gen/migrations.c
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

# The reference that e2a-apid serves: the document as YAML, JSON and a page.
$(B)/gen/reference.c: docs/openapi.yaml $(wildcard scripts/reference/*)
	@mkdir -p $(@D)
	$(PYTHON) -B -m scripts.reference $< > $@
$(B)/gen/reference.o: $(B)/gen/reference.c
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

# The dashboard that e2a-apid serves.
$(B)/gen/web.c: $(wildcard apid/web/* scripts/web/*)
	@mkdir -p $(@D)
	$(PYTHON) -B -m scripts.web apid/web > $@
$(B)/gen/web.o: $(B)/gen/web.c
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

$(BASE): $(call objects,common/base)
$(MAIL): $(call objects,common/mail)
$(STORE): $(call objects,common/store) $(B)/gen/migrations.o
$(foreach p,$(PROGRAMS) cli,$(eval $(B)/lib$(p).a: $(filter-out $(B)/$(p)/main.o,$(call objects,$(p)))))
$(B)/libapid.a: $(B)/gen/reference.o $(B)/gen/web.o
$(B)/lib%.a:
	@rm -f $@
	$(Q)$(AR) rcs $@ $(filter %.o,$^)

$(B)/e2a-%: $(B)/%/main.o $(B)/lib%.a $(COMMON)
	@echo "LD $@"
	$(Q)$(CC) $(ALL_LDFLAGS) $^ $($*_LIBS) $(COMMON_LIBS) -o $@
# The milter has no way to Postgres, not even in its binary.
$(B)/e2a-milter: $(B)/milter/main.o $(B)/libmilter.a $(MAIL) $(BASE)
	@echo "LD $@"
	$(Q)$(CC) $(ALL_LDFLAGS) $^ $(milter_LIBS) $(MAIL_LIBS) $(BASE_LIBS) -o $@
# The users' command knows the public API only: no Postgres either.
$(COMMAND): $(B)/cli/main.o $(B)/libcli.a $(MAIL) $(BASE)
	@echo "LD $@"
	$(Q)$(CC) $(ALL_LDFLAGS) $^ $(cli_LIBS) $(MAIL_LIBS) $(BASE_LIBS) -o $@

# A test of folder X links X's library and everything below it.
define test_rule
$(B)/tests/unit/$(1)/%: $(B)/tests/unit/$(1)/%.o $(2)
	@echo "LD $$@"
	$$(Q)$$(CC) $$(ALL_LDFLAGS) $$^ -lcmocka $(3) -o $$@
endef
$(eval $(call test_rule,base,$$(BASE),$$(METRICS_LIBS) $$(BASE_LIBS)))
$(eval $(call test_rule,mail,$$(MAIL) $$(BASE),$$(MAIL_LIBS) $$(BASE_LIBS)))
$(eval $(call test_rule,store,$$(COMMON),$$(COMMON_LIBS)))
$(eval $(call test_rule,cli,$(B)/libcli.a $$(MAIL) $$(BASE),$$(cli_LIBS) $$(MAIL_LIBS) $$(BASE_LIBS)))
$(foreach p,$(PROGRAMS),$(eval $(call test_rule,$(p),$(B)/lib$(p).a $$(COMMON),$$($(p)_LIBS) $$(COMMON_LIBS))))
$(B)/tests/sql/%: $(B)/tests/sql/%.o $(COMMON)
	@echo "LD $@"
	$(Q)$(CC) $(ALL_LDFLAGS) $^ -lcmocka $(COMMON_LIBS) -o $@
addheader_LIBS := -lmilter
takeheader_LIBS := -lmilter
constant_LIBS := -lmicrohttpd
hookpost_LIBS := -lcurl
megaphone_LIBS := -lwebsockets
$(B)/tests/bench/%: $(B)/tests/bench/%.o $(BASE)
	@echo "LD $@"
	$(Q)$(CC) $(ALL_LDFLAGS) $^ $($*_LIBS) $(BASE_LIBS) -o $@
$(B)/tests/bench/claimers: $(B)/tests/bench/claimers.o $(COMMON)
	@echo "LD $@"
	$(Q)$(CC) $(ALL_LDFLAGS) $^ $(COMMON_LIBS) -o $@
# Programs that tests run.
$(B)/tests/tools/%: $(B)/tests/tools/%.o $(B)/libdeliverd.a $(B)/libapid.a $(COMMON)
	@echo "LD $@"
	$(Q)$(CC) $(ALL_LDFLAGS) $^ $(deliverd_LIBS) $(apid_LIBS) $(COMMON_LIBS) -o $@
# Libraries for tests that Debian does not have, pinned by hash. Without them the tests that need
# them fail, and no others.
$(B)/python: tests/requirements.txt
	@echo "PIP $@"
	-$(Q)rm -rf $@ && $(PYTHON) -m pip install --quiet --no-deps --require-hashes --only-binary :all: \
		--root-user-action ignore --disable-pip-version-check --target $@ -r $< && touch $@
# The statement tables that tests/sql prepares: all there are.
$(B)/gen/store_tables.h: $(sort $(wildcard common/store/*.c))
	@mkdir -p $(@D)
	$(Q)sed -n 's/^const struct db_stmt \([a-z_]*_stmts\)\[.*/STORE_TABLE(\1)/p' $^ > $@
$(B)/tests/sql/test_statements.o: $(B)/gen/store_tables.h
$(B)/tests/sql/test_statements.o: ALL_CFLAGS += -I$(B)/gen
# A fuzz target without libFuzzer replays its corpus (tests/fuzz/replay.c).
$(B)/tests/fuzz/%: $(B)/tests/fuzz/%.o $(B)/tests/fuzz/replay.o $(B)/libdeliverd.a $(B)/libmilter.a $(B)/libapid.a \
	$(B)/libcli.a $(COMMON)
	@echo "LD $@"
	$(Q)$(CC) $(ALL_LDFLAGS) $^ $(deliverd_LIBS) $(milter_LIBS) $(apid_LIBS) $(cli_LIBS) \
		$(COMMON_LIBS) -o $@

-include $(shell find $(B) -name '*.d' 2>/dev/null)
