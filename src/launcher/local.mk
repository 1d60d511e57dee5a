# Node programs that start other ones, and the command that each comes to.
noinst_LTLIBRARIES += src/launcher/liblauncher.la
src_launcher_liblauncher_la_SOURCES = \
	src/launcher/files.c \
	src/launcher/files.h \
	src/launcher/filesystem.c \
	src/launcher/filesystem.h \
	src/launcher/follow.c \
	src/launcher/follow.h \
	src/launcher/launchers.c \
	src/launcher/launchers.h \
	src/launcher/nodewords.c \
	src/launcher/nodewords.h \
	src/launcher/package.c \
	src/launcher/package.h \
	src/launcher/run.c \
	src/launcher/run.h \
	src/launcher/shell.c \
	src/launcher/shell.h \
	src/launcher/trail.c \
	src/launcher/trail.h
