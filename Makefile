# make               build/pixelfleet-dispatcher, -worker, -runner, -infer and build/pixelfleet
# make demo          the main job on a private Redis and a private PostgreSQL
# make test          everything that can fail: lint, unit tests, fuzz corpora, integration tests
# make fuzz          the fuzzers, FUZZ_S=60 seconds each (with clang)
# make coverage      line coverage of dispatcher/, worker/, shared/
# make bench         throughput and latency on this machine
# make install       DESTDIR=, prefix=/usr/local
# make V=1           show the commands
#
# Each way of building has its own folder (build/rel, build/san, ...), so switching never
# rebuilds and never mixes objects. Files are found, never listed.

CC      ?= cc
MODE    ?= rel
B       := build/$(MODE)
prefix  ?= /usr/local

WARN    := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
           -Wpointer-arith -Wwrite-strings -Wvla -Wformat=2 -Wundef -Werror
CFLAGS.rel  := -O2 -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
CFLAGS.faults := -O1 -DFAULTS
CFLAGS.san  := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -DFAULTS
CFLAGS.fuzz := -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -DFAULTS
CFLAGS.tsan := -O1 -fsanitize=thread -DFAULTS
CFLAGS.cov  := -O0 --coverage -fprofile-update=atomic -DFAULTS -DCOVERAGE
LDFLAGS.rel := -pie -Wl,-z,relro,-z,now
VERSION := 0.1.0

base_pkgs       := jansson libsodium hiredis
shared_pkgs     := $(base_pkgs) libcurl libpq
dispatcher_pkgs := $(shared_pkgs) libmicrohttpd
runner_pkgs     := vips libseccomp $(base_pkgs)
infer_pkgs      := libseccomp $(base_pkgs)

cflags  := -std=gnu11 -g -fno-omit-frame-pointer $(WARN) $(CFLAGS.$(MODE)) $(CFLAGS)
cppflags:= -D_GNU_SOURCE -DVIPS_DISABLE_COMPAT -DVERSION='"$(VERSION)"' -Ishared -Iworker -Iworker/sandbox -Idispatcher -Itests/unit $(CPPFLAGS)

obj      = $(patsubst %.c,$(B)/%.o,$(1))
SHARED  := $(call obj,$(wildcard shared/*.c)) $(B)/sql/migrations.o $(B)/shared/lua_scripts.o
WORKER  := $(call obj,$(filter-out worker/main.c,$(wildcard worker/*.c)))
RUNNER  := $(call obj,$(filter-out worker/runner/main.c,$(wildcard worker/runner/*.c)))
SANDBOX := $(call obj,$(wildcard worker/sandbox/*.c))
INFER   := $(call obj,$(filter-out worker/infer/main.c,$(wildcard worker/infer/*.c)))
DISPATCH:= $(call obj,$(filter-out dispatcher/main.c,$(wildcard dispatcher/*.c)))
CLI     := $(call obj,$(filter-out dispatcher/cli/main.c,$(wildcard dispatcher/cli/*.c)))
TESTS   := $(call obj,$(wildcard tests/unit/*.c))
SQL     := $(sort $(wildcard sql/[0-9]*.sql))
LUA     := $(sort $(wildcard shared/lua/*.lua))
HDRS    := $(wildcard shared/*.h worker/*.h worker/runner/*.h worker/sandbox/*.h worker/infer/*.h dispatcher/*.h dispatcher/cli/*.h tests/unit/*.h)
# ONNX Runtime's header and library, for all ways of building; see worker/infer/fetch_ort.sh. Nothing links it.
ORT     := build/onnxruntime
# What the runner may link: it never talks to Redis, PostgreSQL or the network.
RUNNER_SHARED := $(filter-out %/redis.o %/pg.o %/pg_column.o %/httpc.o %/migrate.o %/lua_scripts.o %/migrations.o,$(SHARED))

PROGRAMS := pixelfleet-dispatcher pixelfleet-worker pixelfleet-runner pixelfleet-infer pixelfleet
Q       := $(if $(V),,@)
say      = $(if $(V),,@printf '  %-6s %s\n' $(1) $@)
pkgflags = $(shell pkg-config --cflags $(1))
pkglibs  = $(shell pkg-config --libs $(1))

all: $(PROGRAMS:%=$(B)/%)
ifeq ($(B),build/rel)
all: $(PROGRAMS:%=build/%)
$(PROGRAMS:%=build/%): build/%: $(B)/%
	$(Q)ln -sfn rel/$* $@
endif

$(B)/pixelfleet-dispatcher: $(B)/dispatcher/main.o $(DISPATCH) $(SHARED)
$(B)/pixelfleet-worker:     $(B)/worker/main.o $(WORKER) $(SHARED)
$(B)/pixelfleet-runner:     $(B)/worker/runner/main.o $(RUNNER) $(SANDBOX) $(RUNNER_SHARED)
$(B)/pixelfleet-infer:      $(B)/worker/infer/main.o $(INFER) $(SANDBOX) $(RUNNER_SHARED)
$(B)/pixelfleet:            $(B)/dispatcher/cli/main.o $(CLI) $(SHARED)
$(B)/unit:                  $(TESTS) $(WORKER) $(RUNNER) $(INFER) $(SANDBOX) $(DISPATCH) $(CLI) $(SHARED)

$(B)/pixelfleet-dispatcher: libs = $(call pkglibs,$(dispatcher_pkgs))
$(B)/pixelfleet-worker:     libs = $(call pkglibs,$(shared_pkgs))
$(B)/pixelfleet-runner:     libs = $(call pkglibs,$(runner_pkgs))
$(B)/pixelfleet-infer:      libs = $(call pkglibs,$(infer_pkgs))
$(B)/pixelfleet:            libs = $(call pkglibs,$(shared_pkgs))
$(B)/unit:                  libs = $(call pkglibs,$(dispatcher_pkgs) vips libseccomp cmocka)

$(PROGRAMS:%=$(B)/%) $(B)/unit:
	$(call say,LINK)
	$(Q)$(CC) $(cflags) $(LDFLAGS.$(MODE)) $(LDFLAGS) -o $@ $^ $(libs) -lm -pthread

$(B)/worker/runner/%.o: cppflags += -Iworker/runner $(call pkgflags,vips)
$(B)/worker/infer/%.o:  cppflags += -Iworker/infer -isystem $(ORT)/include
$(B)/tests/unit/%.o:    cppflags += -Iworker/runner -Iworker/infer -Idispatcher/cli $(call pkgflags,vips cmocka)
$(B)/shared/%.o $(B)/dispatcher/%.o $(B)/worker/%.o $(B)/tests/%.o: cppflags += $(call pkgflags,$(dispatcher_pkgs))

$(B)/%.o: %.c $(B)/flags
	$(call say,CC)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(cppflags) $(cflags) -MMD -MP -c -o $@ $<

$(B)/%.o: $(B)/%.c $(B)/flags
	$(call say,CC)
	$(Q)$(CC) $(cppflags) $(cflags) -c -o $@ $<

$(call obj,$(wildcard worker/infer/*.c)): | $(ORT)/ready
$(ORT)/ready: worker/infer/fetch_ort.sh
	$(call say,ORT)
	$(Q)$< $(ORT)

# These files change only when what they record does: a new compiler or flag rebuilds
# the objects, a new or deleted migration or script remakes its table.
$(B)/flags:    record = $(CC) $(cflags) $(VERSION)
$(B)/sql/list: record = $(SQL)
$(B)/shared/lua/list: record = $(LUA)
$(B)/flags $(B)/sql/list $(B)/shared/lua/list: FORCE
	$(Q)mkdir -p $(@D); echo '$(record)' | cmp -s - $@ || echo '$(record)' >$@

$(B)/sql/migrations.c: sql/embed.sh $(SQL) $(B)/sql/list
	$(call say,SQL)
	$(Q)sql/embed.sh migrations $(SQL) >$@.tmp && mv $@.tmp $@
$(B)/shared/lua_scripts.c: sql/embed.sh $(LUA) $(B)/shared/lua/list
	$(call say,LUA)
	$(Q)sql/embed.sh lua $(LUA) >$@.tmp && mv $@.tmp $@

include tests/test.mk
include systemd/install.mk

clean:
	rm -rf build

FORCE:
.PHONY: all clean FORCE
.SECONDARY:
.DELETE_ON_ERROR:
-include $(shell find $(B) -name '*.d' 2>/dev/null)
