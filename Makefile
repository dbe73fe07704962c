# A thin front for Meson. `make demo` on a fresh Debian needs nothing but make and a package manager.
#
#     make             build/tine
#     make demo        the examples, then a busybox script, under tine
#     make check       every test that takes minutes; ends with "N passed, N failed"
#     make check-all   the long ones too (fuzzers, random schedules)
#     make bench       native, qemu-riscv64 and tine side by side; writes build/bench.json
#     make asan        the checks again with AddressSanitizer and UBSan, in build-asan/
#     make install     PREFIX=/usr/local DESTDIR=

B ?= build
PREFIX ?= /usr/local
DESTDIR ?=
MESON_FLAGS ?=
WERROR := $(if $(filter true 1,$(CI)),true,false)
export TINE_BUILD := $(B)

.PHONY: all lib unit demo check check-all bench asan asan-build install format lint clean setup setup-all

all: configure
	@ninja -C $(B) tine

lib: configure
	@ninja -C $(B) libtine.a libtine.so.0.1.0

# Builds everything, the unit tests too.
unit: configure
	@ninja -C $(B) -k 0

# Sources are found, not listed: Meson is asked again whenever a file comes or goes.
.PHONY: configure
configure: setup
	@mkdir -p $(B)
	@tools/sources src cmd tests/unit > $(B)/sources.now
	@if [ ! -f $(B)/build.ninja ]; then \
	    meson setup $(B) -Dprefix=$(PREFIX) -Dwerror=$(WERROR) $(MESON_FLAGS) > $(B)/setup.log || \
	        { cat $(B)/setup.log; exit 1; }; \
	elif ! cmp -s $(B)/sources.now $(B)/sources.last; then \
	    meson setup --reconfigure $(B) -Dwerror=$(WERROR) > $(B)/setup.log || \
	        { cat $(B)/setup.log; exit 1; }; \
	fi
	@mv $(B)/sources.now $(B)/sources.last

setup:
	@tools/setup build

setup-all:
	@tools/setup all

demo: setup-all all
	@tools/demo

check check-all: setup-all
	@$(MAKE) --no-print-directory unit || { echo "0 passed, 1 failed"; exit 1; }
	@tools/check $(if $(filter check-all,$@),--all)

bench: setup-all all
	@tools/bench

asan-build: setup-all
	@$(MAKE) --no-print-directory B=build-asan \
	    MESON_FLAGS="-Db_sanitize=address,undefined -Db_lundef=false" unit

asan: asan-build
	@TINE_BUILD=build-asan tools/check --slow

install: all lib
	@meson configure $(B) -Dprefix=$(PREFIX)
	@ninja -C $(B) completions
	@meson install -C $(B) --no-rebuild $(if $(DESTDIR),--destdir $(abspath $(DESTDIR)))

format:
	clang-format -i $$(find src cmd include tests bench examples -name '*.[ch]')

lint: configure
	clang-tidy -p $(B) --quiet $$(tools/sources src cmd)

clean:
	rm -rf build build-asan
