/* SPDX-License-Identifier: Apache-2.0 */
/* The table of error codes. It must hold one row for each enum err. */
#include "common/base/err.h"

#include <stdarg.h>

static const struct err_info table[ERR_COUNT] = {
	[OK] = { "ok", false, 200, 250, "2.0.0", "ok" },
	[ERR_INPUT] = { "input", false, 400, 554, "5.6.0", "invalid request" },
	[ERR_TOO_BIG] = { "too_big", false, 400, 552, "5.3.4", "message too big" },
	[ERR_UNAUTHORIZED] = { "unauthorized", false, 401, 530, "5.7.0", "unauthorized" },
	[ERR_FORBIDDEN] = { "forbidden", false, 403, 550, "5.7.1", "forbidden" },
	[ERR_NOT_FOUND] = { "not_found", false, 404, 550, "5.1.1", "not found" },
	[ERR_CONFLICT] = { "conflict", false, 409, 554, "5.0.0", "conflict" },
	[ERR_RATE] = { "rate", true, 429, 451, "4.7.1", "rate limit exceeded" },
	[ERR_BUSY] = { "busy", true, 503, 452, "4.3.1", "too busy, try again later" },
	[ERR_TIMEOUT] = { "timeout", true, 503, 451, "4.4.2", "timed out, try again later" },
	[ERR_IO] = { "io", true, 500, 451, "4.3.0", "internal error" },
	[ERR_NETWORK] = { "network", true, 502, 451, "4.4.1", "peer not reachable" },
	[ERR_DNS] = { "dns", true, 503, 451, "4.4.3", "name service failure, try again later" },
	[ERR_STORAGE] = { "storage", true, 503, 451, "4.3.0",
			  "storage not available, try again later" },
	[ERR_COMMIT_UNKNOWN] = { "commit_unknown", true, 503, 451, "4.3.0",
				 "storage not available, try again later" },
	[ERR_SCHEMA] = { "schema", false, 500, 451, "4.3.5", "internal error" },
	[ERR_CONFIG] = { "config", false, 500, 451, "4.3.5", "internal error" },
	[ERR_CRYPTO] = { "crypto", false, 500, 451, "4.3.0", "internal error" },
	[ERR_INTERNAL] = { "internal", true, 500, 451, "4.3.0", "internal error" },
};

const struct err_info *err_info(enum err code)
{
	if ((unsigned)code >= ERR_COUNT || !table[code].name)
		code = ERR_INTERNAL;
	return &table[code];
}

enum err fail_set(struct fail *fail, enum err code, const char *fmt, ...)
{
	struct fail f = { .code = code }; /* apart, because `what` may be among the arguments */
	va_list ap;

	if (!fail)
		return code;
	va_start(ap, fmt);
	vsnprintf(f.what, sizeof(f.what), fmt, ap);
	va_end(ap);
	*fail = f;
	return code;
}
