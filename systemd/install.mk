# install.mk - make install, make uninstall. DESTDIR=, prefix=/usr/local, sysconfdir=/etc and the
# directories below can be set. Uninstall removes what install put there and nothing else: a
# pixelfleet.env that was changed stays, and so does what pixelfleet has stored.

sysconfdir   ?= /etc
bindir       ?= $(prefix)/bin
libexecdir   ?= $(prefix)/libexec/pixelfleet
libdir       ?= $(prefix)/lib/pixelfleet
mandir       ?= $(prefix)/share/man
bashcompdir  ?= $(prefix)/share/bash-completion/completions
unitdir      ?= $(prefix)/lib/systemd/system
sysusersdir  ?= $(prefix)/lib/sysusers.d
tmpfilesdir  ?= $(prefix)/lib/tmpfiles.d
confdir      := $(sysconfdir)/pixelfleet

# mode:source:target
installed := \
	755:$(B)/pixelfleet:$(bindir)/pixelfleet \
	755:$(B)/pixelfleet-dispatcher:$(bindir)/pixelfleet-dispatcher \
	755:$(B)/pixelfleet-worker:$(bindir)/pixelfleet-worker \
	755:$(B)/pixelfleet-runner:$(libexecdir)/pixelfleet-runner \
	755:$(B)/pixelfleet-infer:$(libexecdir)/pixelfleet-infer \
	644:shared/man/pixelfleet.1:$(mandir)/man1/pixelfleet.1 \
	644:shared/man/pixelfleet-dispatcher.8:$(mandir)/man8/pixelfleet-dispatcher.8 \
	644:shared/man/pixelfleet-worker.8:$(mandir)/man8/pixelfleet-worker.8 \
	644:shared/completion/pixelfleet.bash:$(bashcompdir)/pixelfleet \
	644:systemd/pixelfleet-dispatcher.service:$(unitdir)/pixelfleet-dispatcher.service \
	644:systemd/pixelfleet-worker@.service:$(unitdir)/pixelfleet-worker@.service \
	644:systemd/pixelfleet.target:$(unitdir)/pixelfleet.target \
	644:systemd/pixelfleet.sysusers:$(sysusersdir)/pixelfleet.conf \
	644:systemd/pixelfleet.tmpfiles:$(tmpfilesdir)/pixelfleet.conf

# The one that was fetched; a link is to one that is installed already.
ort_so := $(ORT)/lib/libonnxruntime.so.1
ort_to := '$(DESTDIR)$(libdir)/libonnxruntime.so.1'

at = $(word $(1),$(subst :, ,$(2)))
# Programs as they are, texts with the directories filled in.
define install_one
	$(if $(filter 755,$(call at,1,$(1))),install -D -m 755 $(call at,2,$(1)) '$(DESTDIR)$(call at,3,$(1))',\
	install -d '$(DESTDIR)$(dir $(call at,3,$(1)))' && \
	sed -e 's|@bindir@|$(bindir)|g' -e 's|@sysconfdir@|$(sysconfdir)|g' $(call at,2,$(1)) >'$(DESTDIR)$(call at,3,$(1))' && \
	chmod 644 '$(DESTDIR)$(call at,3,$(1))')

endef

install: $(PROGRAMS:%=$(B)/%)
	$(foreach file,$(installed),$(call install_one,$(file)))
	[ -L $(ort_so) ] || install -D -m 644 $(ort_so) $(ort_to)
	install -d -m 755 '$(DESTDIR)$(confdir)'
	[ -e '$(DESTDIR)$(confdir)/pixelfleet.env' ] || install -m 640 systemd/pixelfleet.env '$(DESTDIR)$(confdir)/pixelfleet.env'
ifeq ($(DESTDIR),)
	@echo
	@echo 'Installed. The first time, and after an update of the units:'
	@echo '    systemd-sysusers && systemd-tmpfiles --create && systemctl daemon-reload'
	@echo '    openssl rand -hex 32 | install -D -m 400 /dev/stdin /etc/credstore/pixelfleet.internal-token'
	@echo '    systemctl enable --now pixelfleet.target'
endif

uninstall:
	rm -f $(foreach file,$(installed),'$(DESTDIR)$(call at,3,$(file))') $(ort_to)
	if cmp -s systemd/pixelfleet.env '$(DESTDIR)$(confdir)/pixelfleet.env'; then rm -f '$(DESTDIR)$(confdir)/pixelfleet.env'; \
	elif [ -e '$(DESTDIR)$(confdir)/pixelfleet.env' ]; then echo 'left, because it was changed: $(DESTDIR)$(confdir)/pixelfleet.env'; fi
	for dir in '$(DESTDIR)$(libexecdir)' '$(DESTDIR)$(libdir)' '$(DESTDIR)$(confdir)'; do \
		[ ! -d "$$dir" ] || rmdir --ignore-fail-on-non-empty "$$dir"; done

.PHONY: install uninstall
