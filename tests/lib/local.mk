# What the tests share. Helper programs are built by "make check".
check_PROGRAMS += tests/lib/corral tests/lib/descendants tests/lib/freeport tests/lib/pick
tests_lib_pick_LDADD = $(JANSSON_LIBS)
EXTRA_DIST += tests/lib/common.bash tests/lib/slots.bash tests/lib/shapes.py tests/lib/fake_master.py tests/lib/holder.py tests/lib/ring_master.py tests/lib/node.bash tests/lib/recipe.bash tests/lib/recipe_go.bash tests/lib/recipe_node.bash tests/lib/recipe_server.bash tests/lib/sendfds.h

# The worker that misbehaves as told, and a network that is slow and loses packets.
check_PROGRAMS += tests/lib/badworker tests/lib/slowlink
tests_lib_badworker_SOURCES = \
	tests/lib/badworker.c \
	tests/lib/badworker.h \
	tests/lib/badworker_dump.c \
	tests/lib/badworker_modes.c \
	tests/lib/badworker_options.c \
	tests/lib/no_leak_search.c

# A program that knows nothing of brood and dies at once when it is told to end.
check_PROGRAMS += tests/lib/unaware

# Keeps a process from ending, as one that hangs in the kernel.
check_PROGRAMS += tests/lib/undead

# For LD_PRELOAD: lets memory end on command. -rpath makes libtool build it as a shared library.
check_LTLIBRARIES += tests/lib/nomem.la
tests_lib_nomem_la_SOURCES = tests/lib/nomem.c
tests_lib_nomem_la_LDFLAGS = -module -avoid-version -shared -rpath /nowhere
