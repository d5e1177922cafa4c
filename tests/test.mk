# make test          all of it, in sub-makes, and at the end each runner's own totals
# make unit          unit tests under ASan and UBSan         K=WORD: those with WORD in their name
# make threads       the threaded ones under TSan
# make integration   pytest on the built programs            K=EXPR: as pytest -k, LANES=3, MODE=san: sanitized programs
# make replay        the fuzzers' corpora, under ASan and UBSan
# make fuzz          the fuzzers, FUZZ_S seconds each, with clang      K=WORD: those with WORD in their name
# make bench         speed, cost and memory on this machine   SCENARIOS=noop,chain REPEAT=5 SCALE=1 FULL=1: tests/bench/bench.py
# make bench-curves  throughput against what grows, drawn as build/bench/curves.svg   CURVES=rtt,workers
# make test-faults   jobs while everything around them breaks   ROUNDS=200 SEED= LANES=3 ROUND=17 LIST=1: tests/faults/faults.py
# make test-systemd  the units on a real systemd in a container: scaling, a reboot, watchdogs, under 5,000 jobs (as root)
# make test-tokens   the tokenizers on 3,000 lines of many languages beside Hugging Face's (npm; fetches that and the vocabularies)
# make test-triton   the backend "triton" against a real Triton, which is installed into build/triton from PyPI (x86-64)
# make test-models   a network of ViT-B/32's size beside onnxruntime-node, and a bare loop of ONNX Runtime
# make test-ocr      pages that are read and text that is taken out of photographs, in figures, beside OpenCV (python3-opencv)
# make bench-peers   throughput and latency beside BullMQ (npm) and Celery   SCENARIOS=chain,photo, sizes: tests/bench/peers/peers.py
# make check-style   lint, and every header compiles alone

# Most of an integration test is waiting: LANES files of them at a time, each lane with its own Redis and PostgreSQL.
LANES  ?= 3
PYTEST := /usr/bin/python3 -B -m pytest -p no:cacheprovider -rfEs -n $(LANES) --dist loadfile
# With address randomisation of 32 bits GCC's ThreadSanitizer cannot place its shadow.
SETARCH = $(shell setarch -R true 2>/dev/null && echo setarch -R)
SAN_ENV := ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1 \
           UBSAN_OPTIONS=print_stacktrace=1 LSAN_OPTIONS=suppressions=tests/lsan.supp:print_suppressions=0 \
           TSAN_OPTIONS=suppressions=tests/tsan.supp:halt_on_error=0:second_deadlock_stack=1
SUB     := $(MAKE) --no-print-directory
# What the benchmarks compare with and measure by, besides plain_infer.
BENCH := $(B)/plain_loop $(B)/latency $(B)/delay_proxy $(B)/listeners

setup:
	$(Q)tests/setup.sh test

test: setup
	$(Q)tests/run.sh

unit:
	+$(Q)$(SUB) MODE=san run-unit
threads:
	+$(Q)$(SUB) MODE=tsan run-threads
integration:
	+$(Q)$(SUB) MODE=$(MODE) all
	+$(Q)$(SUB) MODE=faults all
	+$(Q)$(SUB) MODE=$(MODE) run-integration

run-unit: $(B)/unit
	$(Q)env $(SAN_ENV) $(B)/unit $(if $(K),-k '$(K)')
run-threads: $(B)/unit
	$(Q)env $(SAN_ENV) $(SETARCH) $(B)/unit -k '^threads_'
run-integration: all $(B)/tokenize $(BENCH)
	$(Q)env $(SAN_ENV) PIXELFLEET_BUILD=$(B) \
		PIXELFLEET_FAULTS_BUILD=$(if $(filter rel,$(MODE)),build/faults,$(B)) \
		$(PYTEST) $(if $(K),-k '$(K)') $(PYTEST_ARGS) tests/integration

# The programs add up their counters in the objects' folder when SIGTERM ends them.
coverage: setup
	+$(Q)$(SUB) MODE=cov all build/cov/unit
	$(Q)find build/cov -name '*.gcda' -delete
	-$(Q)build/cov/unit
	-+$(Q)$(SUB) MODE=cov run-integration
	$(Q)tests/coverage.sh build/cov

# A fuzz target is tests/fuzz/fuzz_NAME.c. It links what it calls, out of all objects.
FUZZ   := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_S ?= 60
HDRS   += $(wildcard tests/fuzz/*.h)

replay:
	+$(Q)$(SUB) MODE=san run-replay
fuzz:
	$(Q)tests/setup.sh fuzz
	+$(Q)$(SUB) MODE=fuzz CC=clang run-fuzz

run-replay: $(FUZZ:%=$(B)/fuzz_%)
	$(Q)env $(SAN_ENV) tests/fuzz/replay.sh $(B) $(FUZZ)
run-fuzz: $(FUZZ:%=$(B)/fuzz_%)
	$(Q)env $(SAN_ENV) tests/fuzz/run.sh $(B) $(FUZZ_S) $(if $(K),$(foreach t,$(FUZZ),$(if $(findstring $(K),$(t)),$(t))),$(FUZZ))

$(B)/tests/fuzz/%.o: cppflags += -Iworker/runner -Iworker/infer -Idispatcher/cli
$(B)/all.a: $(WORKER) $(RUNNER) $(INFER) $(SANDBOX) $(DISPATCH) $(CLI) $(SHARED)
	$(call say,AR)
	$(Q)rm -f $@ && ar rcsT $@ $^
$(B)/fuzz_%: libs = $(call pkglibs,$(dispatcher_pkgs) glib-2.0)
$(B)/fuzz_%: $(B)/tests/fuzz/fuzz_%.o $(B)/tests/fuzz/fuzz.o $(if $(filter fuzz,$(MODE)),,$(B)/tests/fuzz/replay.o) $(B)/all.a
	$(call say,LINK)
	$(Q)$(CC) $(cflags) $(if $(filter fuzz,$(MODE)),-fsanitize=fuzzer) $(LDFLAGS.$(MODE)) $(LDFLAGS) -Wl,--as-needed \
		-o $@ $^ $(libs) -lm -pthread

test-faults: setup
	+$(Q)$(SUB) MODE=faults all
	+$(Q)$(SUB) MODE=faults run-test-faults
run-test-faults: all
	$(Q)env PIXELFLEET_BUILD=$(B) ROUNDS='$(ROUNDS)' SEED='$(SEED)' LANES='$(LANES)' ROUND='$(ROUND)' LIST='$(LIST)' \
		/usr/bin/python3 -B tests/faults/faults.py

lint:
	$(Q)tests/lint.sh

headers: $(HDRS:%=$(B)/%.ok)
$(B)/%.h.ok: %.h $(HDRS) $(B)/flags | $(ORT)/ready
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(cppflags) -Iworker/runner -Iworker/infer -isystem $(ORT)/include -Idispatcher/cli $(call pkgflags,$(dispatcher_pkgs) vips cmocka) $(cflags) \
		-fsyntax-only -x c -include $< /dev/null && touch $@

check-style: lint headers

bench: setup
	+$(Q)$(SUB) MODE=rel run-bench
bench-curves: setup
	+$(Q)$(SUB) MODE=rel run-bench CURVES='$(or $(CURVES),all)'
run-bench: all $(BENCH)
	$(Q)env PIXELFLEET_BUILD=$(B) CURVES='$(CURVES)' /usr/bin/python3 -B tests/bench/bench.py

# The same work beside BullMQ with sharp (npm) and Celery with Pillow, on the same machine, in turns: tests/bench/peers/peers.py
bench-peers:
	$(Q)tests/setup.sh peers
	$(Q)tests/bench/peers/install.sh build/bench/peers
	+$(Q)$(SUB) MODE=rel run-bench-peers
run-bench-peers: all $(BENCH)
	$(Q)env PIXELFLEET_BUILD=$(B) /usr/bin/python3 -B tests/bench/peers/peers.py

recovery: setup
	+$(Q)$(SUB) MODE=rel all
	+$(Q)$(SUB) MODE=faults all
	$(Q)/usr/bin/python3 -B tests/bench/recovery.py

soak: setup
	+$(Q)$(SUB) MODE=rel all
	$(Q)/usr/bin/python3 -B tests/bench/soak.py

$(B)/tests/bench/%.o: cppflags += $(call pkgflags,vips)
$(B)/plain_loop: libs = $(call pkglibs,vips)
$(B)/latency: libs = $(call pkglibs,hiredis libpq)
$(B)/delay_proxy $(B)/listeners: libs =
$(BENCH): $(B)/%: $(B)/tests/bench/%.o
	$(call say,LINK)
	$(Q)$(CC) $(cflags) $(LDFLAGS.$(MODE)) $(LDFLAGS) -o $@ $^ $(libs)

# A network of ViT-B/32's size, exported by PyTorch, beside onnxruntime-node and a bare loop of ONNX Runtime.
test-models:
	$(Q)tests/setup.sh models
	+$(Q)$(SUB) MODE=rel all build/rel/plain_infer
	$(Q)mkdir -p build/models/node && cd build/models/node && { [ -d node_modules/onnxruntime-node ] || \
		npm install --silent --ignore-scripts --no-audit --no-fund onnxruntime-node@1.24.3; }
	$(Q)/usr/bin/python3 -B tests/models/vit.py

$(B)/tests/bench/plain_infer.o: cppflags += -isystem $(ORT)/include
$(B)/tests/bench/plain_infer.o: | $(ORT)/ready
$(B)/plain_infer: libs = -ldl -pthread
$(B)/plain_infer: $(B)/tests/bench/plain_infer.o
	$(call say,LINK)
	$(Q)$(CC) $(cflags) $(LDFLAGS.$(MODE)) $(LDFLAGS) -o $@ $^ $(libs)

# The tokenizers beside those of others, on 3,000 lines; what is compared with comes from the registries.
test-tokens:
	$(Q)tests/setup.sh tokens
	+$(Q)$(SUB) MODE=rel run-tokens
run-tokens: $(B)/tokenize
	$(Q)/usr/bin/python3 -B tests/tokens/tokens.py $(B)/tokenize build/tokens

$(B)/tests/tokens/%.o: cppflags += -Iworker/runner
$(B)/tokenize: libs = $(call pkglibs,$(base_pkgs) glib-2.0)
$(B)/tokenize: $(B)/tests/tokens/tokenize.o $(filter %/tokenizer.o %/tokenizer_clip.o %/tokenizer_wordpiece.o %/bpe.o \
		%/vocabulary.o %/characters.o,$(RUNNER)) $(RUNNER_SHARED)
	$(call say,LINK)
	$(Q)$(CC) $(cflags) $(LDFLAGS.$(MODE)) $(LDFLAGS) -o $@ $^ $(libs) -lm

test-ocr: setup
	+$(Q)$(SUB) MODE=rel all
	$(Q)/usr/bin/python3 -B tests/ocr/ocr.py build/rel/pixelfleet-runner

test-systemd: setup
	+$(Q)$(SUB) MODE=rel run-systemd
run-systemd: all $(B)/systemd_probe
	$(Q)tests/systemd/run.sh $(B)

$(B)/systemd_probe: libs =
$(B)/systemd_probe: $(B)/tests/systemd/probe.o
	$(call say,LINK)
	$(Q)$(CC) $(cflags) $(LDFLAGS.$(MODE)) $(LDFLAGS) -o $@ $^

# The server and its Python's packages stay in build/triton. pytest is the system's; the server's Python is a child of it.
test-triton:
	$(Q)tests/setup.sh triton
	$(Q)tests/triton/setup.sh build/triton
	+$(Q)$(SUB) MODE=$(MODE) run-triton
run-triton: all $(B)/ask_triton
	$(Q)env PIXELFLEET_BUILD=$(B) PIXELFLEET_REAL_TRITON=build/triton /usr/bin/python3 -B -m pytest -p no:cacheprovider -rfEsP -v \
		$(if $(K),-k '$(K)') tests/integration/test_real_triton.py

$(B)/tests/triton/%.o: cppflags += -Iworker/runner
$(B)/ask_triton: libs = $(call pkglibs,$(shared_pkgs))
$(B)/ask_triton: $(B)/tests/triton/ask_triton.o $(B)/all.a
	$(call say,LINK)
	$(Q)$(CC) $(cflags) $(LDFLAGS.$(MODE)) $(LDFLAGS) -Wl,--as-needed -o $@ $^ $(libs) -lm -pthread

demo:
	$(Q)tests/setup.sh demo
	+$(Q)$(SUB) MODE=rel all
	$(Q)tests/demo/demo.sh

.PHONY: setup test replay fuzz run-replay run-fuzz unit threads integration run-unit run-threads run-integration coverage lint headers \
	test-faults run-test-faults check-style bench bench-curves run-bench bench-peers run-bench-peers recovery soak test-models demo test-ocr test-systemd run-systemd test-triton run-triton test-tokens run-tokens
