/* conf_text: what the schema says, for the drift tests: "sample" or "schema". */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "conf/conf.h"

int
main(int argc, char **argv)
{
	struct str out = {0};
	int failed;

	if (argc == 2 && strcmp(argv[1], "sample") == 0)
		conf_print_sample(&out);
	else if (argc == 2 && strcmp(argv[1], "schema") == 0)
		conf_print_schema(&out);
	failed = out.len == 0 || str_failed(&out) || fputs(out.data, stdout) == EOF;
	str_free(&out);
	return failed;
}
