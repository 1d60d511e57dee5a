/*
 * fuzz_msg: whatever a worker writes in a line, what comes out is within bounds and fit to be
 * shown, and what is given on is one line of JSON again.
 */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "ipc/msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Valid UTF-8 without controls, terminated within size. */
static void
check_text(const char *text, size_t size)
{
	size_t len = strnlen(text, size);

	if (len == size)
		abort();
	while (len > 0) {
		size_t n = utf8_sequence(text, len);

		if (n == 0 || ((uint8_t)*text < 0x20 && *text != '\t') || *text == 0x7f)
			abort();
		text += n;
		len -= n;
	}
}

static void
check_numbers(const struct msg *m)
{
	if (m->lag_us > 1000000000 || m->conns > UINT64_C(1) << 53 ||
	    m->requests > UINT64_C(1) << 53 || m->stolen > UINT64_C(1) << 53 ||
	    m->neighbours > MSG_NEIGHBOURS_MAX || !(m->busy >= 0) || m->busy > 1)
		abort();
	if (!(m->metric_value - m->metric_value == 0))
		abort();
}

static void
check_passed_on(const struct msg *m)
{
	struct str line = {0};
	json_t *back;

	msg_add_message(&line, "web.0", m->data);
	if (str_failed(&line) || memchr(line.data, '\n', line.len) != line.data + line.len - 1)
		abort();
	back = json_loadb(line.data, line.len, JSON_REJECT_DUPLICATES, NULL);
	if (back == NULL || !json_equal(json_object_get(back, "data"), m->data))
		abort();
	json_decref(back);
	str_free(&line);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct msg m;

	if (size > 0 && memchr(data, '\n', size) != NULL)
		return 0;
	msg_decode((const char *)data, size, &m);
	if ((unsigned)m.kind >= MSG_KIND_MAX || (m.kind == MSG_FAULT && m.text[0] == '\0'))
		abort();
	check_text(m.text, sizeof(m.text));
	check_text(m.metric_labels, sizeof(m.metric_labels));
	check_numbers(&m);
	if ((m.kind == MSG_SEND) != (m.data != NULL))
		abort();
	if (m.kind == MSG_SEND)
		check_passed_on(&m);
	msg_done(&m);
	return 0;
}
