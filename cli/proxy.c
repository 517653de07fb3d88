/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the variables that name proxies, for what does not go through libcurl. */
#include "cli/proxy.h"

#include "common/base/mem.h"

static const char *first_set(const char *const *names)
{
	for (; *names; names++) {
		const char *value = getenv(*names);

		if (value && *value)
			return value;
	}
	return NULL;
}

/* "example.org", ".example.org" and "*.example.org" mean that host and all below it. */
static bool covers(struct slice entry, struct slice host)
{
	if (slice_eq(entry, S("*")))
		return true;
	if (slice_starts(entry, S("*")))
		entry = slice_sub(entry, 1, entry.n);
	if (slice_starts(entry, S(".")))
		entry = slice_sub(entry, 1, entry.n);
	if (entry.n == 0 || !slice_iends(host, entry))
		return false;
	return host.n == entry.n || host.p[host.n - entry.n - 1] == '.';
}

static bool is_excepted(struct slice host)
{
	static const char *const names[] = { "no_proxy", "NO_PROXY", NULL };
	struct slice rest = slice_str(first_set(names)), entry;

	while (slice_cut(&rest, ',', &entry))
		if (covers(slice_trim(entry), host))
			return true;
	return false;
}

const char *proxy_for(struct arena *a, const struct weburl *u)
{
	static const char *const secure[] = { "https_proxy", "HTTPS_PROXY", "all_proxy",
					      "ALL_PROXY", NULL };
	/* Not HTTP_PROXY: a web server sets that from a header field of its clients. */
	static const char *const plain[] = { "http_proxy", "all_proxy", "ALL_PROXY", NULL };
	struct slice url = slice_str(first_set(u->https ? secure : plain)), rest, host_port;

	if (url.n == 0 || weburl_is_loopback(u) || is_excepted(u->host))
		return NULL;
	if (slice_istarts(url, S("http://")))
		url = slice_sub(url, S("http://").n, url.n);
	else if (slice_search(url, S("://")) >= 0)
		return NULL; /* of a kind that cannot be used here */
	rest = url;
	slice_cut(&rest, '/', &host_port);
	if (slice_rfind(host_port, ':') > slice_rfind(host_port, ']'))
		return arena_dup(a, host_port);
	return arena_printf(a, "%.*s:1080", SLICE_ARGS(host_port)); /* curl's default */
}
