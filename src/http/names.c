/* names: of the ways in which an exchange can fail. */
#include "http/http.h"

const char *const http_fail_names[HTTP_FAILS] = {
	[HTTP_OK] = "ok",
	[HTTP_FAIL_RESOLVE] = "resolve",
	[HTTP_FAIL_CONNECT] = "connect",
	[HTTP_FAIL_CONNECT_TIMEOUT] = "connect time-out",
	[HTTP_FAIL_TLS] = "tls",
	[HTTP_FAIL_PROXY] = "proxy",
	[HTTP_FAIL_FIRST_BYTE_TIMEOUT] = "first byte time-out",
	[HTTP_FAIL_STALL_TIMEOUT] = "stall time-out",
	[HTTP_FAIL_RESET] = "reset",
	[HTTP_FAIL_SHORT] = "short body",
	[HTTP_FAIL_MALFORMED] = "malformed response",
	[HTTP_FAIL_CANCELLED] = "cancelled",
	[HTTP_FAIL_MEMORY] = "no memory",
};
