# Fuzz targets. A target is tests/fuzz/fuzz_NAME.c with its seeds in tests/fuzz/corpus/NAME/.
# "make check" feeds each its corpus; with --enable-fuzzing they are libFuzzer programs, and
# "make fuzz FUZZ_SECONDS=60" lets each search for that long.
#
# To add one: FUZZ_TARGETS += tests/fuzz/fuzz_NAME
#             tests_fuzz_fuzz_NAME_SOURCES = tests/fuzz/fuzz_NAME.c $(fuzz_driver)
#             tests_fuzz_fuzz_NAME_LDADD = $(IPC_LIBS)
#             tests_fuzz_fuzz_NAME_LDFLAGS = $(fuzz_ldflags)
FUZZ_TARGETS =
FUZZ_SECONDS = 60

if FUZZING
fuzz_driver =
else
fuzz_driver = tests/fuzz/driver.c
endif
fuzz_ldflags = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)

FUZZ_TARGETS += tests/fuzz/fuzz_conf
tests_fuzz_fuzz_conf_SOURCES = tests/fuzz/fuzz_conf.c $(fuzz_driver)
tests_fuzz_fuzz_conf_LDADD = $(CONF_LIBS)
tests_fuzz_fuzz_conf_LDFLAGS = $(fuzz_ldflags)

FUZZ_TARGETS += tests/fuzz/fuzz_einhorn
tests_fuzz_fuzz_einhorn_SOURCES = tests/fuzz/fuzz_einhorn.c $(fuzz_driver)
tests_fuzz_fuzz_einhorn_LDADD = $(IPC_LIBS)
tests_fuzz_fuzz_einhorn_LDFLAGS = $(fuzz_ldflags)

FUZZ_TARGETS += tests/fuzz/fuzz_worker
tests_fuzz_fuzz_worker_SOURCES = tests/fuzz/fuzz_worker.c $(fuzz_driver)
tests_fuzz_fuzz_worker_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/lib
tests_fuzz_fuzz_worker_LDADD = $(WORKER_LIBS)
tests_fuzz_fuzz_worker_LDFLAGS = $(fuzz_ldflags)

FUZZ_TARGETS += tests/fuzz/fuzz_http
tests_fuzz_fuzz_http_SOURCES = tests/fuzz/fuzz_http.c tests/lib/httpbed.c tests/lib/httpbed.h $(fuzz_driver)
tests_fuzz_fuzz_http_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/lib
tests_fuzz_fuzz_http_LDADD = $(HTTP_LIBS)
tests_fuzz_fuzz_http_LDFLAGS = $(fuzz_ldflags)

FUZZ_TARGETS += tests/fuzz/fuzz_node
tests_fuzz_fuzz_node_SOURCES = tests/fuzz/fuzz_node.c $(fuzz_driver)
tests_fuzz_fuzz_node_LDADD = $(IPC_LIBS)
tests_fuzz_fuzz_node_LDFLAGS = $(fuzz_ldflags)

FUZZ_TARGETS += tests/fuzz/fuzz_import
tests_fuzz_fuzz_import_SOURCES = tests/fuzz/fuzz_import.c $(fuzz_driver)
tests_fuzz_fuzz_import_LDADD = src/import/libimport.la src/launcher/liblauncher.la $(CONF_LIBS) $(JANSSON_LIBS)
tests_fuzz_fuzz_import_LDFLAGS = $(fuzz_ldflags)

FUZZ_TARGETS += tests/fuzz/fuzz_frame tests/fuzz/fuzz_msg tests/fuzz/fuzz_lines tests/fuzz/fuzz_control
tests_fuzz_fuzz_frame_SOURCES = tests/fuzz/fuzz_frame.c $(fuzz_driver)
tests_fuzz_fuzz_frame_LDADD = $(IPC_LIBS)
tests_fuzz_fuzz_frame_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_msg_SOURCES = tests/fuzz/fuzz_msg.c $(fuzz_driver)
tests_fuzz_fuzz_msg_LDADD = $(IPC_LIBS)
tests_fuzz_fuzz_msg_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_lines_SOURCES = tests/fuzz/fuzz_lines.c $(fuzz_driver)
tests_fuzz_fuzz_lines_LDADD = $(IPC_LIBS)
tests_fuzz_fuzz_lines_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_control_SOURCES = tests/fuzz/fuzz_control.c $(fakecluster) $(fuzz_driver)
tests_fuzz_fuzz_control_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/lib
tests_fuzz_fuzz_control_LDADD = $(CTL_LIBS)
tests_fuzz_fuzz_control_LDFLAGS = $(fuzz_ldflags)

FUZZ_TARGETS += tests/fuzz/fuzz_elf
tests_fuzz_fuzz_elf_SOURCES = tests/fuzz/fuzz_elf.c $(fuzz_driver)
tests_fuzz_fuzz_elf_LDADD = $(SYS_LIBS)
tests_fuzz_fuzz_elf_LDFLAGS = $(fuzz_ldflags)

check_PROGRAMS += $(FUZZ_TARGETS)
TESTS += tests/fuzz/corpora.tap
EXTRA_DIST += tests/fuzz/corpora.tap tests/fuzz/driver.c tests/fuzz/corpus

fuzz: $(FUZZ_TARGETS)
	set -e; for target in $(FUZZ_TARGETS); do \
		name=$${target##*/fuzz_}; \
		$(MKDIR_P) tests/fuzz/found/$$name; \
		echo "== $$name: $(FUZZ_SECONDS) s"; \
		$$target -max_total_time=$(FUZZ_SECONDS) -max_len=65536 -print_final_stats=1 \
			-artifact_prefix=tests/fuzz/found/$$name- \
			tests/fuzz/found/$$name $(top_srcdir)/tests/fuzz/corpus/$$name; \
	done
.PHONY: fuzz
