# One convenience library a room: what a program or a test links is what it may know, so that the
# linker guards the arrows of src/README.

include src/base/local.mk
include src/conf/local.mk
include src/core/local.mk
include src/sys/local.mk
include src/ipc/local.mk
include src/ctl/local.mk
include src/launcher/local.mk
include src/loop/local.mk
include src/import/local.mk
include src/cli/local.mk
include src/runtime/local.mk
include src/http/local.mk
include src/worker/local.mk
include src/hello/local.mk
include src/node/local.mk
include src/bind/local.mk

# The libraries of each room with all that it stands on; a test takes one of these as its LDADD.
BASE_LIBS = src/base/libbase.la
CONF_LIBS = src/conf/libconf.la $(BASE_LIBS) $(INIH_LIBS)
CORE_LIBS = src/core/libcore.la $(CONF_LIBS)
SYS_LIBS = src/sys/libsys.la $(BASE_LIBS)
LAUNCHER_LIBS = src/launcher/liblauncher.la src/sys/libsys.la $(BASE_LIBS) $(JANSSON_LIBS)
IMPORT_LIBS = src/import/libimport.la src/launcher/liblauncher.la $(BASE_LIBS) $(JANSSON_LIBS)
IPC_LIBS = src/ipc/libipc.la $(BASE_LIBS) $(JANSSON_LIBS)
CTL_LIBS = src/ctl/libctl.la src/core/libcore.la src/conf/libconf.la src/ipc/libipc.la \
	$(BASE_LIBS) $(JANSSON_LIBS) $(INIH_LIBS)
LOOP_LIBS = src/loop/libloop.la src/launcher/liblauncher.la src/ctl/libctl.la src/core/libcore.la src/conf/libconf.la \
	src/sys/libsys.la src/ipc/libipc.la $(BASE_LIBS) $(UV_LIBS) $(JANSSON_LIBS) $(INIH_LIBS)

sbin_PROGRAMS += broodd
broodd_SOURCES = src/main.c
broodd_LDADD = $(LOOP_LIBS)

# libbrood: its rooms, and of their symbols only those of brood.h. What changes in those goes into
# -version-info as libtool's manual says, and into tests/drift/libbrood.abi.
include_HEADERS = src/brood.h
lib_LTLIBRARIES = libbrood.la
libbrood_la_SOURCES =
libbrood_la_LIBADD = $(SERVICE_LIBS)
libbrood_la_LDFLAGS = $(HARDEN_LDFLAGS:-pie=) $(SANITIZE_CFLAGS) $(COVERAGE_CFLAGS) \
	-version-info 0:0:0 -no-undefined -Wl,--version-script=$(srcdir)/src/libbrood.map
EXTRA_libbrood_la_DEPENDENCIES = src/libbrood.map
EXTRA_DIST += src/libbrood.map
