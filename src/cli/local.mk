# brood: the command line. It knows the messages and the run directory, not the master's rooms.
# All but main.c is a library, so that the tests link what they try.
noinst_LTLIBRARIES += src/cli/libcli.la
src_cli_libcli_la_SOURCES = \
	src/cli/change.c \
	src/cli/cli.c \
	src/cli/cli.h \
	src/cli/client.c \
	src/cli/client.h \
	src/cli/commands.h \
	src/cli/completion.c \
	src/cli/completion.h \
	src/cli/doctor.c \
	src/cli/explain.c \
	src/cli/help.c \
	src/cli/import.c \
	src/cli/import_node.c \
	src/cli/import_node.h \
	src/cli/instance.c \
	src/cli/instance.h \
	src/cli/interrupt.c \
	src/cli/interrupt.h \
	src/cli/launch.c \
	src/cli/launch.h \
	src/cli/member.h \
	src/cli/needs.c \
	src/cli/needs.h \
	src/cli/probe.c \
	src/cli/progress.c \
	src/cli/progress.h \
	src/cli/recipe.c \
	src/cli/recipe.h \
	src/cli/show.c \
	src/cli/start.c \
	src/cli/stream.c \
	src/cli/target.c \
	src/cli/target.h \
	src/cli/term.c \
	src/cli/term.h \
	src/cli/verb.c \
	src/cli/verb.h \
	src/cli/when.c \
	src/cli/when.h
CLI_LIBS = src/cli/libcli.la src/import/libimport.la src/launcher/liblauncher.la src/ipc/libipc.la \
	src/sys/libsys.la $(BASE_LIBS) $(JANSSON_LIBS) $(SMARTCOLS_LIBS)

bin_PROGRAMS += brood
brood_SOURCES = src/cli/main.c
brood_LDADD = $(CLI_LIBS)
