# make demo    phones of five vendors boot against a daemon in network namespaces; ARGS=--once ends by itself
# make test    installs what the tests need, then runs everything
# make bench   the benchmarks
# make fuzz    every fuzz target, one after the other (FUZZTIME=60s)
# make build   bin/plugtone
# make lint    gofmt, vet, staticcheck
# make install DESTDIR=/tmp/root    binary, unit, default configuration, man pages, completion

GO       ?= go
BIN      := bin/plugtone
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS  := -s -w -X main.version=$(VERSION)
FUZZTIME ?= 60s
PREFIX   ?= /usr
SUDO     := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

# Programs that the tests boot phones with, and the Debian package each comes from.
TEST_TOOLS := udhcpc:udhcpc dhclient:isc-dhcp-client dhcrelay:isc-dhcp-relay tftp:tftp-hpa atftp:atftp curl:curl \
              ip:iproute2 ping:iputils-ping systemd-analyze:systemd

.PHONY: demo test bench fuzz build lint install tools

demo: build
	$(BIN) demo $(ARGS)

test: tools
	PLUGTONE_REQUIRE_E2E=1 $(GO) test -timeout 20m ./...

bench:
	$(GO) test -run '^$$' -bench . -benchmem ./...

fuzz:
	@$(GO) list ./... | while read -r pkg; do \
	  for f in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
	    echo "$$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; \
	  done; done

build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/plugtone

lint:
	@test -z "$$(gofmt -l . | tee /dev/stderr)"
	$(GO) vet ./...
	$(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...

# Installs the packages of missing programs only; /sbin is where Debian keeps some of them.
tools:
	@missing=; for t in $(TEST_TOOLS); do \
	  PATH="$$PATH:/sbin:/usr/sbin" command -v $${t%%:*} >/dev/null || missing="$$missing $${t##*:}"; done; \
	if [ -n "$$missing" ]; then \
	  echo "installing:$$missing"; \
	  $(SUDO) apt-get update -qq && $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	fi
