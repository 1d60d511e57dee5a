# Node programs that start other ones, and the command that each comes to.
noinst_LTLIBRARIES += src/launcher/liblauncher.la
src_launcher_liblauncher_la_SOURCES = \
	src/launcher/shell.c \
	src/launcher/shell.h
