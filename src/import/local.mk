# Files of other supervisors become a configuration: text in, text out.
noinst_LTLIBRARIES += src/import/libimport.la
src_import_libimport_la_SOURCES = \
	src/import/command.c \
	src/import/draft.c \
	src/import/draft.h \
	src/import/import.h \
	src/import/sections.c \
	src/import/sections.h \
	src/import/literal.c \
	src/import/pm2.c \
	src/import/pm2.h \
	src/import/pm2_life.c \
	src/import/pm2_run.c \
	src/import/pm2_value.c \
	src/import/procfile.c \
	src/import/supervisord.c \
	src/import/supervisord.h \
	src/import/supervisord_output.c \
	src/import/supervisord_program.c \
	src/import/supervisord_value.c \
	src/import/words.c \
	src/import/words.h
