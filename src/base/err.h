/*
 * err: an error text that gains context on its way up.
 *
 * Functions below main and the command handlers return 0 or a negative errno and do not log.
 * Where an operator must read the reason they also take a struct err and fill it in; each caller
 * that knows more about the purpose puts its own words in front with err_wrap().
 */
#ifndef BROOD_BASE_ERR_H
#define BROOD_BASE_ERR_H

struct err {
	char text[512];
};

/* Empties e. */
void err_clear(struct err *e);

/* Sets the text and returns code, so that "return err_set(e, -EINVAL, ...)" reads well.
 * e may be NULL (only the code counts then). A text that is too long is cut. */
int err_set(struct err *e, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "context: " before the text that is there and returns code. e may be NULL. */
int err_wrap(struct err *e, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
