/*
 * libexec: files of our own that workers are given: the module for take = bind, Node's preload.
 */
#ifndef BROOD_LOOP_LIBEXEC_H
#define BROOD_LOOP_LIBEXEC_H

struct str;

/* The path of our file `name`: in the first directory of BROOD_LIBEXEC_DIR (a list as PATH is) that
 * has it, else beside the master's own program (a tree that is not installed), else where it was
 * installed, whether it is there or not. out keeps the text, which is never NULL; without memory
 * str_failed(out). The variable is the master's own: workers never see it, and a master with borrowed
 * rights does not follow it. */
const char *launch_libexec(const char *name, struct str *out);

#endif
