/*
 * words: command lines of others split into words as they split them. Pure.
 */
#ifndef BROOD_IMPORT_WORDS_H
#define BROOD_IMPORT_WORDS_H

struct words;

/* As Python's shlex.split(): supervisord's commands. 0; -EINVAL for a quote that does not end. */
int words_split_shlex(const char *text, struct words *ret);
/* As PM2 splits args: blanks, quotes around a word or behind its "=". */
void words_split_pm2(const char *text, struct words *ret);

#endif
