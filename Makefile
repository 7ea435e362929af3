# make demo    phones of five vendors boot against a daemon in network namespaces; ARGS=--once ends by itself
# make test    installs what the tests need, then runs everything
# make test-busy    the suite ten times in a row beside six busy loops: no test may need a quiet machine (RUNS=10)
# make bench   the benchmarks
# make bench-dhcp    DHCP beside Kea and dnsmasq in network namespaces, with the ratios; installs both (ARGS='-clients mix -rate 400,4000', -quick, -help)
# make bench-files   TFTP and HTTP beside dnsmasq, atftpd and nginx in network namespaces, with the ratios; installs them (ARGS='-only http', -help)
# make bench-storm   the last part of bench-files alone: 1,000 phones that boot at the same moment
# make parity  what the packs set of the parameters that other systems' templates let an operator set, and what they lack
# make soak    an hour of boots, renewals, fetches, changes, reloads, API reads and hostile packets: nothing lost, memory, descriptors and goroutines flat (SOAK_TIME=1h)
# make fuzz    every fuzz target, one after the other (FUZZTIME=60s)
# make build   bin/plugtone
# make lint    gofmt, vet, staticcheck
# make lint-api    the OpenAPI document by redocly and spectral, which npm installs into a temporary folder
# make packages    .deb and .rpm for amd64, arm64 and armv7 in bin/packages (ARCHS=amd64, VERSION=1.2.3)
# make test-packages    builds them twice, checks them by lintian, and installs, upgrades, downgrades, removes and purges them in a Debian that systemd-nspawn boots
# make image    an OCI image for this machine's architecture in bin/plugtone-image.tar; needs no Docker
# make install    after make build: binary, unit, default configuration, man pages, completion for bash, zsh and fish, alerts and dashboard (DESTDIR=/tmp/root)

GO       ?= go
BIN      := bin/plugtone
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS  := -s -w -X main.version=$(VERSION)
FUZZTIME ?= 60s
SOAK_TIME ?= 1h
RUNS     ?= 10
PREFIX   ?= /usr
SUDO     := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

# Programs that the tests use, and the Debian package each comes from. Of prometheus only promtool is used; the tests need no running server.
TEST_TOOLS := pg_ctlcluster:postgresql mariadbd:mariadb-server sipp:sip-tester udhcpc:udhcpc dhcpd:isc-dhcp-server kea-dhcp4:kea-dhcp4-server dnsmasq:dnsmasq-base dhclient:isc-dhcp-client dhcrelay:isc-dhcp-relay tftp:tftp-hpa atftp:atftp curl:curl logger:bsdutils \
              ip:iproute2 ping:iputils-ping openssl:openssl systemd-analyze:systemd linphonec:linphone-cli kamailio:kamailio-postgres-modules baresip:baresip-core promtool:prometheus \
              chromium:chromium nginx:nginx-light etcd:etcd-server etcdctl:etcd-client strace:strace nft:nftables

.PHONY: demo neighbor-table test test-busy screenshots bench bench-dhcp bench-files bench-storm parity soak fuzz build lint lint-api install packages test-packages image tools

demo: build
	$(BIN) demo $(ARGS)

# Network namespaces share Linux's table of hardware addresses: the tests' phones fill its 1,024 places, and then connections of other tests fail.
neighbor-table:
	-PATH=$$PATH:/sbin:/usr/sbin sysctl -q -w net.ipv4.neigh.default.gc_thresh1=2048 net.ipv4.neigh.default.gc_thresh2=8192 net.ipv4.neigh.default.gc_thresh3=16384

test: tools neighbor-table
	PLUGTONE_REQUIRE_E2E=1 $(GO) test -timeout 20m ./...

test-busy: tools neighbor-table
	@loops=; trap 'kill $$loops' EXIT; trap 'exit 1' INT TERM; \
	for i in 1 2 3 4 5 6; do sh -c 'while :; do :; done' & loops="$$loops $$!"; done; \
	for run in $$(seq $(RUNS)); do \
	  echo "run $$run of $(RUNS)"; PLUGTONE_REQUIRE_E2E=1 $(GO) test -count=1 -p 4 -timeout 20m ./... || exit 1; \
	done

# The pictures in docs/page.md and the README, of the demo.
screenshots: tools build
	mkdir -p docs/images
	PLUGTONE_SCREENSHOTS=$(CURDIR)/docs/images PLUGTONE_DEMO=$(CURDIR)/bin/plugtone $(GO) test ./admin/web/webtest -run TestScreenshots -count=1

bench:
	$(GO) test -run '^$$' -bench . -benchmem ./...

parity:
	$(GO) test ./provision/vendors -run TestParity -v | grep -v '^ *---\|^===' | sed 's/^ *parity_test.go:[0-9]*: //'

# The suite runs it for two minutes, beside its other scripts.
soak: tools
	SOAK_TIME=$(SOAK_TIME) PLUGTONE_REQUIRE_E2E=1 $(GO) test ./cmd/plugtone -run 'TestScripts/^soak$$' -count=1 -v -timeout 0

# Go would spend up to a minute on making each new input shorter, and find nothing meanwhile.
fuzz:
	@$(GO) list ./... | while read -r pkg; do \
	  for f in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
	    echo "$$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 100x $$pkg || exit 1; \
	  done; done

build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/plugtone

lint:
	@test -z "$$(gofmt -l . | tee /dev/stderr)"
	$(GO) vet ./...
	$(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...

# Warnings count as errors: recommended-strict is redocly's recommended rules as errors.
API_LINTERS := @redocly/cli@2.77.0 @stoplight/spectral-cli@6.16.3

lint-api:
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && \
	npm install --silent --no-audit --no-fund --prefix "$$dir" $(API_LINTERS) && \
	OPENAPI_OUT="$$dir/openapi.json" $(GO) test -count=1 -run '^TestOpenAPIDocument$$' ./admin && \
	cd "$$dir" && echo 'extends: ["spectral:oas"]' > spectral.yaml && \
	REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true node_modules/.bin/redocly lint --extends=recommended-strict openapi.json && \
	node_modules/.bin/spectral lint --ruleset spectral.yaml --fail-severity=hint openapi.json

# The servers that plugtone is measured beside. Debian's kea-dhcp4-server starts when it is installed, with no interface to answer on.
BENCH_TOOLS := kea-dhcp4:kea-dhcp4-server perfdhcp:kea-admin dnsmasq:dnsmasq-base ip:iproute2

bench-dhcp: build
	@$(MAKE) --no-print-directory tools TEST_TOOLS='$(BENCH_TOOLS)'
	PATH="$$PATH:/sbin:/usr/sbin" $(GO) run ./cmd/plugtone/bench dhcp $(ARGS)

# Debian's atftpd and nginx-light may start when they are installed; what is measured are processes of the benchmark's own.
BENCH_FILES_TOOLS := dnsmasq:dnsmasq-base atftpd:atftpd nginx:nginx-light ip:iproute2

bench-files: build
	@$(MAKE) --no-print-directory tools TEST_TOOLS='$(BENCH_FILES_TOOLS)'
	PATH="$$PATH:/sbin:/usr/sbin" $(GO) run ./cmd/plugtone/bench files $(ARGS)

bench-storm: build
	@$(MAKE) --no-print-directory tools TEST_TOOLS='ip:iproute2'
	PATH="$$PATH:/sbin:/usr/sbin" $(GO) run ./cmd/plugtone/bench storm $(ARGS)

# Installs the packages of missing programs only; /sbin is where Debian keeps some of them.
tools:
	@missing=; for t in $(TEST_TOOLS); do \
	  PATH="$$PATH:/sbin:/usr/sbin" command -v $${t%%:*} >/dev/null || missing="$$missing $${t##*:}"; done; \
	if [ -n "$$missing" ]; then \
	  echo "installing:$$missing"; \
	  $(SUDO) apt-get update -qq && $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	fi

# Installs what "make build" made, and builds nothing: it runs as root. Set DESTDIR for a package. systemd need not run.
# Debian's zsh looks in vendor-completions, others' in site-functions.
ZSH_COMPLETIONS ?= $(PREFIX)/share/zsh/vendor-completions
# The program that writes manual pages and completions: another one when BIN is for another kind of machine.
TOOL ?= $(BIN)

install:
	@[ -x $(BIN) ] || { echo "$(BIN) is missing: run make build first" >&2; exit 1; }
	install -D -m 0755 $(BIN) $(DESTDIR)$(PREFIX)/bin/plugtone
	install -D -m 0644 packaging/plugtone.service $(DESTDIR)$(PREFIX)/lib/systemd/system/plugtone.service
	install -D -m 0644 packaging/sysusers.conf $(DESTDIR)$(PREFIX)/lib/sysusers.d/plugtone.conf
	install -D -m 0644 packaging/tmpfiles.conf $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/plugtone.conf
	install -D -m 0644 packaging/sysctl.conf $(DESTDIR)$(PREFIX)/lib/sysctl.d/60-plugtone.conf
	install -d -m 0755 $(DESTDIR)/etc/plugtone/vendors
	[ -e $(DESTDIR)/etc/plugtone/plugtone.yaml ] || install -D -m 0640 packaging/plugtone.yaml $(DESTDIR)/etc/plugtone/plugtone.yaml
	umask 022; SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct 2>/dev/null || date +%s)} $(TOOL) man $(DESTDIR)$(PREFIX)/share/man
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(ZSH_COMPLETIONS) $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	umask 022; $(TOOL) completion bash > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/plugtone
	umask 022; $(TOOL) completion zsh > $(DESTDIR)$(ZSH_COMPLETIONS)/_plugtone
	umask 022; $(TOOL) completion fish > $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/plugtone.fish
	install -D -m 0644 packaging/prometheus/alerts.yaml $(DESTDIR)$(PREFIX)/share/plugtone/prometheus/alerts.yaml
	install -D -m 0644 packaging/prometheus/alerts_test.yaml $(DESTDIR)$(PREFIX)/share/plugtone/prometheus/alerts_test.yaml
	install -D -m 0644 packaging/grafana/plugtone.json $(DESTDIR)$(PREFIX)/share/plugtone/grafana/plugtone.json
	@[ -n "$(DESTDIR)" ] || ! command -v systemd-sysusers >/dev/null || systemd-sysusers plugtone.conf
	@[ -n "$(DESTDIR)" ] || ! command -v systemd-tmpfiles >/dev/null || systemd-tmpfiles --create plugtone.conf
	@[ -n "$(DESTDIR)" ] || ! command -v sysctl >/dev/null || sysctl -q -p packaging/sysctl.conf || echo "the limits in sysctl.conf stay as they are until the next boot"
	@[ -n "$(DESTDIR)" ] || [ ! -d /run/systemd/system ] || systemctl daemon-reload

packages:
	GO=$(GO) packaging/build-packages

PACKAGE_TOOLS := lintian:lintian debootstrap:debootstrap rpm:rpm systemd-nspawn:systemd-container dpkg-deb:dpkg skopeo:skopeo podman:podman runc:runc udhcpc:udhcpc ip:iproute2 qemu-arm-static:qemu-user-static file:file curl:curl

test-packages:
	@$(MAKE) --no-print-directory tools TEST_TOOLS='$(PACKAGE_TOOLS)'
	GO=$(GO) packaging/test-packages

image: build
	$(GO) run ./packaging/image -program $(BIN) -o bin/plugtone-image.tar
