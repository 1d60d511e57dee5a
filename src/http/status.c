/*
 * status: see status.h. RFC 9110, section 15, and what RFC 6585 and 8297 add.
 */
#include "http/status.h"

#include <stddef.h>

static const char *const texts[] = {
    [200] = "OK",
    [201] = "Created",
    [202] = "Accepted",
    [203] = "Non-Authoritative Information",
    [204] = "No Content",
    [205] = "Reset Content",
    [206] = "Partial Content",
    [300] = "Multiple Choices",
    [301] = "Moved Permanently",
    [302] = "Found",
    [303] = "See Other",
    [304] = "Not Modified",
    [307] = "Temporary Redirect",
    [308] = "Permanent Redirect",
    [400] = "Bad Request",
    [401] = "Unauthorized",
    [402] = "Payment Required",
    [403] = "Forbidden",
    [404] = "Not Found",
    [405] = "Method Not Allowed",
    [406] = "Not Acceptable",
    [407] = "Proxy Authentication Required",
    [408] = "Request Timeout",
    [409] = "Conflict",
    [410] = "Gone",
    [411] = "Length Required",
    [412] = "Precondition Failed",
    [413] = "Content Too Large",
    [414] = "URI Too Long",
    [415] = "Unsupported Media Type",
    [416] = "Range Not Satisfiable",
    [417] = "Expectation Failed",
    [421] = "Misdirected Request",
    [422] = "Unprocessable Content",
    [426] = "Upgrade Required",
    [428] = "Precondition Required",
    [429] = "Too Many Requests",
    [431] = "Request Header Fields Too Large",
    [500] = "Internal Server Error",
    [501] = "Not Implemented",
    [502] = "Bad Gateway",
    [503] = "Service Unavailable",
    [504] = "Gateway Timeout",
    [505] = "HTTP Version Not Supported",
};

const char *
status_text(int status)
{
	static const char *const classes[] = {
	    "Unknown", "Unknown", "Success", "Redirection", "Client Error", "Server Error"};
	size_t n = sizeof texts / sizeof texts[0];

	if (status >= 0 && (size_t)status < n && texts[status] != NULL)
		return texts[status];
	return status_is_final(status) ? classes[status / 100] : classes[0];
}

bool
status_is_final(int status)
{
	return status >= 200 && status <= 599;
}

bool
status_has_body(int status)
{
	return status != 204 && status != 304;
}
