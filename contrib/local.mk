# What surrounds the programs: service units, shell completions, pkg-config data, quickstart.
EXTRA_DIST += contrib/quickstart contrib/systemd/broodd@.service.in
EXTRA_DIST += \
	contrib/recipes/README \
	contrib/recipes/asyncio/app.py \
	contrib/recipes/asyncio/brood.conf \
	contrib/recipes/asyncio/brood_asyncio.py \
	contrib/recipes/express/app.js \
	contrib/recipes/express/brood.conf \
	contrib/recipes/express/package-lock.json \
	contrib/recipes/express/package.json \
	contrib/recipes/fastify/app.js \
	contrib/recipes/fastify/brood.conf \
	contrib/recipes/fastify/package-lock.json \
	contrib/recipes/fastify/package.json \
	contrib/recipes/go/brood.conf \
	contrib/recipes/go/brood.go \
	contrib/recipes/go/go.mod \
	contrib/recipes/go/main.go \
	contrib/recipes/go-http/brood.conf \
	contrib/recipes/go-http/go.mod \
	contrib/recipes/go-http/main.go \
	contrib/recipes/gunicorn/app.py \
	contrib/recipes/gunicorn/brood.conf \
	contrib/recipes/hypercorn/app.py \
	contrib/recipes/hypercorn/brood.conf \
	contrib/recipes/java/Server.java \
	contrib/recipes/java/brood.conf \
	contrib/recipes/php/brood.conf \
	contrib/recipes/php/index.php \
	contrib/recipes/php/nginx.conf \
	contrib/recipes/puma/brood.conf \
	contrib/recipes/puma/config.ru \
	contrib/recipes/puma/config/puma.rb \
	contrib/recipes/server-starter/brood.conf \
	contrib/recipes/server-starter/worker.c \
	contrib/recipes/socketio/app.js \
	contrib/recipes/socketio/brood.conf \
	contrib/recipes/socketio/index.html \
	contrib/recipes/socketio/package-lock.json \
	contrib/recipes/socketio/package.json \
	contrib/recipes/socketio/test/chat.js \
	contrib/recipes/ssr/app.js \
	contrib/recipes/ssr/assets/fill.js \
	contrib/recipes/ssr/assets/style.css \
	contrib/recipes/ssr/brood.conf \
	contrib/recipes/ssr/lib/assets.js \
	contrib/recipes/ssr/lib/data.js \
	contrib/recipes/ssr/lib/render.js \
	contrib/recipes/ssr/package.json \
	contrib/recipes/ssr/pages/index.js \
	contrib/recipes/ssr/pages/item.js \
	contrib/recipes/ssr/pages/missing.js \
	contrib/recipes/starlet/app.psgi \
	contrib/recipes/starlet/brood.conf \
	contrib/recipes/unicorn/brood.conf \
	contrib/recipes/unicorn/config.ru \
	contrib/recipes/uvicorn/app.py \
	contrib/recipes/uvicorn/brood.conf

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

# Programs on brood.h alone, as one would write them: built and run by "make check", not installed.
# Without libtool's wrapper, so that they are what a master starts.
example_programs = \
	contrib/examples/chat \
	contrib/examples/child \
	contrib/examples/cron \
	contrib/examples/echo \
	contrib/examples/hello \
	contrib/examples/offload \
	contrib/examples/partition \
	contrib/examples/threads \
	contrib/examples/tick
check_PROGRAMS += $(example_programs)
contrib_examples_chat_LDADD = libbrood.la
contrib_examples_chat_LDFLAGS = $(AM_LDFLAGS) -no-install
contrib_examples_child_LDADD = libbrood.la
contrib_examples_child_LDFLAGS = $(AM_LDFLAGS) -no-install
contrib_examples_cron_LDADD = libbrood.la
contrib_examples_cron_LDFLAGS = $(AM_LDFLAGS) -no-install
contrib_examples_echo_LDADD = libbrood.la
contrib_examples_echo_LDFLAGS = $(AM_LDFLAGS) -no-install
contrib_examples_hello_LDADD = libbrood.la
contrib_examples_hello_LDFLAGS = $(AM_LDFLAGS) -no-install
contrib_examples_offload_LDADD = libbrood.la
contrib_examples_offload_LDFLAGS = $(AM_LDFLAGS) -no-install
contrib_examples_partition_LDADD = libbrood.la
contrib_examples_partition_LDFLAGS = $(AM_LDFLAGS) -no-install
contrib_examples_threads_LDADD = libbrood.la
contrib_examples_threads_LDFLAGS = $(AM_LDFLAGS) -no-install
contrib_examples_tick_LDADD = libbrood.la
contrib_examples_tick_LDFLAGS = $(AM_LDFLAGS) -no-install
EXTRA_DIST += contrib/examples/README

# As brood-hello: workers that a master stops do not look for leaks.
contrib_examples_chat_SOURCES = contrib/examples/chat.c
contrib_examples_cron_SOURCES = contrib/examples/cron.c
contrib_examples_echo_SOURCES = contrib/examples/echo.c
contrib_examples_hello_SOURCES = contrib/examples/hello.c
if SANITIZERS
contrib_examples_chat_SOURCES += tests/lib/no_leak_search.c
contrib_examples_cron_SOURCES += tests/lib/no_leak_search.c
contrib_examples_echo_SOURCES += tests/lib/no_leak_search.c
contrib_examples_hello_SOURCES += tests/lib/no_leak_search.c
endif
