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
	src/cli/draft.c \
	src/cli/draft.h \
	src/cli/explain.c \
	src/cli/help.c \
	src/cli/import.c \
	src/cli/import.h \
	src/cli/import_command.c \
	src/cli/import_ini.c \
	src/cli/import_ini.h \
	src/cli/import_literal.c \
	src/cli/import_node.c \
	src/cli/import_node.h \
	src/cli/import_pm2.c \
	src/cli/import_pm2.h \
	src/cli/import_pm2_life.c \
	src/cli/import_pm2_run.c \
	src/cli/import_pm2_value.c \
	src/cli/import_procfile.c \
	src/cli/import_supervisord.c \
	src/cli/import_supervisord.h \
	src/cli/import_supervisord_output.c \
	src/cli/import_supervisord_program.c \
	src/cli/import_supervisord_value.c \
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
	src/cli/when.h \
	src/cli/words.c \
	src/cli/words.h
CLI_LIBS = src/cli/libcli.la src/ipc/libipc.la src/sys/libsys.la $(BASE_LIBS) $(JANSSON_LIBS) \
	$(SMARTCOLS_LIBS)

bin_PROGRAMS += brood
brood_SOURCES = src/cli/main.c
brood_LDADD = $(CLI_LIBS)
