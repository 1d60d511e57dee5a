/*
 * script: which program the first line of a script names.
 */
#ifndef BROOD_SYS_SCRIPT_H
#define BROOD_SYS_SCRIPT_H

#define SCRIPT_LINE_MAX 256	/* what the kernel reads of such a line */

struct script {
	char interpreter[SCRIPT_LINE_MAX]; /* as it stands there; "#!/usr/bin/env [-S] [A=B] node" means
					    * node */
	char options[SCRIPT_LINE_MAX];	/* what stands behind it; "" = nothing */
};

/* 1: path is a script that names one, *ret is filled. 0: it is no script, or names none. Negative errno:
 * it can't be read. Opening does not wait, as for a FIFO. */
int script_read(const char *path, struct script *ret);

#endif
