# Unit tests of src/ipc: a program a module; its source is tests/unit/check_MODULE.c.
if HAVE_CHECK
ipc_checks = tests/unit/check_einhorn tests/unit/check_frame tests/unit/check_jsontext tests/unit/check_lines \
	tests/unit/check_msg tests/unit/check_node tests/unit/check_outq
check_PROGRAMS += $(ipc_checks)
UNIT_TESTS += $(ipc_checks)
tests_unit_check_einhorn_LDADD = $(IPC_LIBS) $(CHECK_LIBS)
tests_unit_check_frame_LDADD = $(IPC_LIBS) $(CHECK_LIBS)
tests_unit_check_jsontext_LDADD = $(IPC_LIBS) $(CHECK_LIBS)
tests_unit_check_lines_LDADD = $(IPC_LIBS) $(CHECK_LIBS)
tests_unit_check_msg_LDADD = $(IPC_LIBS) $(CHECK_LIBS)
tests_unit_check_node_LDADD = $(IPC_LIBS) $(CHECK_LIBS)
tests_unit_check_outq_LDADD = $(IPC_LIBS) $(CHECK_LIBS)
endif
