# What surrounds the programs: service units, shell completions, pkg-config data, quickstart.
EXTRA_DIST += contrib/quickstart contrib/systemd/broodd@.service.in
EXTRA_DIST += \
	contrib/recipes/asyncio/app.py \
	contrib/recipes/asyncio/brood.conf \
	contrib/recipes/asyncio/brood_asyncio.py \
	contrib/recipes/go/brood.conf \
	contrib/recipes/go/brood.go \
	contrib/recipes/go/go.mod \
	contrib/recipes/go/main.go

pkgconfig_DATA = contrib/brood.pc

# With Type=notify-reload systemd sends HUP by itself and waits for READY=1.
if NOTIFY_RELOAD
unit_reload = -e '/^ExecReload=/d'
endif

if SYSTEMD
nodist_systemdsystemunit_DATA = contrib/systemd/broodd@.service
endif

# A make rule and not AC_CONFIG_FILES: there ${exec_prefix} would stay as it is.
contrib/systemd/broodd@.service: contrib/systemd/broodd@.service.in Makefile
	$(AM_V_at)$(MKDIR_P) contrib/systemd
	$(AM_V_GEN)$(SED) -e 's|[@]sbindir[@]|$(sbindir)|g' -e 's|[@]bindir[@]|$(bindir)|g' \
		-e 's|[@]sysconfdir[@]|$(sysconfdir)|g' -e 's|[@]UNIT_TYPE[@]|$(UNIT_TYPE)|g' \
		$(unit_reload) $(srcdir)/contrib/systemd/broodd@.service.in > $@.tmp && mv $@.tmp $@
CLEANFILES += contrib/systemd/broodd@.service

# Completions: what "brood __complete SHELL" prints; tests/drift/verbs.tap compares them.
dist_bashcompletion_DATA = contrib/completions/brood
dist_zshcompletion_DATA = contrib/completions/_brood
dist_fishcompletion_DATA = contrib/completions/brood.fish
completions:
	./brood __complete bash > $(srcdir)/contrib/completions/brood
	./brood __complete zsh > $(srcdir)/contrib/completions/_brood
	./brood __complete fish > $(srcdir)/contrib/completions/brood.fish
.PHONY: completions
