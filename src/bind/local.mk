# brood-bind.so: preloaded into programs that bind for themselves (take = bind). libc alone, and
# none of the sanitizers' or of gcov's code, which a program that was built without them has not:
# it would not start.
bindexecdir = $(pkglibexecdir)
bindexec_LTLIBRARIES = src/bind/brood-bind.la
src_bind_brood_bind_la_SOURCES = \
	src/bind/bind.h \
	src/bind/calls.c \
	src/bind/data.c \
	src/bind/files.c \
	src/bind/hold.c \
	src/bind/match.c \
	src/bind/numbers.c \
	src/bind/shim.c \
	src/bind/sockaddr.c \
	src/bind/swap.c
src_bind_brood_bind_la_CPPFLAGS = -include config.h -I$(top_srcdir)/src
src_bind_brood_bind_la_CFLAGS = $(WARN_CFLAGS) $(WERROR_CFLAGS) $(HARDEN_CFLAGS:-fPIE=) \
	-fvisibility=hidden
src_bind_brood_bind_la_LDFLAGS = $(HARDEN_LDFLAGS:-pie=) -module -avoid-version -shared
src_bind_brood_bind_la_LIBADD = -ldl

# A module is found by its path; libtool's description of it is nobody's. Without that libtool would
# not find the module either, to take it away.
install-exec-hook:
	rm -f $(DESTDIR)$(pkglibexecdir)/brood-bind.la
uninstall-hook:
	rm -f $(DESTDIR)$(pkglibexecdir)/brood-bind.so
