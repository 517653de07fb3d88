/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client of the API: HTTP requests with bounds on time, size and patience. The only user of
 * libcurl. The key goes to the configured server and nowhere else: redirects are not followed.
 *
 * What comes of a failure: 401 ERR_UNAUTHORIZED, 403 ERR_FORBIDDEN, 404 and 410 ERR_NOT_FOUND, 409,
 * 412 and 422 ERR_CONFLICT, 429 ERR_RATE, 503 ERR_BUSY, other 5xx ERR_INTERNAL, other statuses and
 * answers that are none ERR_INPUT; ERR_NETWORK and ERR_TIMEOUT when no whole answer came.
 * fail->what is what the server said.
 */
#ifndef E2A_CLI_API_H
#define E2A_CLI_API_H

#include "cli/doc.h"
#include "common/base/arena.h"

enum {
	API_ANSWER_MAX = 96 << 20,       /* a mail of 25 MiB in base64 with its texts */
	API_SILENCE_S = 30,              /* by default: a server that says nothing is given up */
	API_TIME_MAX_MS = 15 * 60 * 1000 /* the longest request */
};

struct api;

struct api_options {
	const char *base_url; /* as config_check_url() lets it pass */
	const char *key;      /* NULL: none */
	unsigned silence_s;   /* 0: API_SILENCE_S */
	/* Called before a wait that the server has asked for. */
	void (*waiting)(void *arg, int64_t ms, const char *why);
	void *arg;
};

struct api *api_new(const struct api_options *options);
void api_free(struct api *a);
DEFINE_FREEP(struct api, api_free)
const char *api_base_url(const struct api *a);

/* Called while bytes move, a few times a second; total is 0 while it is not known. */
typedef void api_progress_fn(void *arg, bool up, uint64_t done, uint64_t total);

/* For the requests that follow; NULL ends it. */
void api_on_progress(struct api *a, api_progress_fn *fn, void *arg);

struct api_request {
	const char *method; /* NULL: GET */
	const char *path;   /* below the base URL: api_path(), api_query() */
	const char
		*url; /* instead of path: a server of somebody else's, which never gets the key */
	const char *bearer; /* for url: what goes there, or NULL */
	struct slice body;  /* p == NULL: none */
	const char *type;   /* of the body; NULL: application/json */
	/*
	 * A POST that creates, under an Idempotency-Key of its own. When its answer is lost and the
	 * server keeps such keys (/api/v1/info says so), it is sent again and happens once.
	 */
	bool creates;
	bool anonymous;    /* without the key */
	int64_t wait_ms;   /* to be waited in all while the server says 429 or 503; 0: not at all */
	size_t answer_max; /* bytes; 0: API_ANSWER_MAX */
	/*
	 * Takes the body of a 2xx instead of api_answer.body, piece by piece. False ends the
	 * request with ERR_IO. Such a request is never repeated.
	 */
	bool (*sink)(void *arg, struct slice piece);
	void *sink_arg;
};

struct api_answer {
	int status;
	struct buf body;
	int64_t retry_after_ms; /* -1: not told */
	bool is_html;
};

void api_answer_release(struct api_answer *a);

/* One request; any status is OK. Release *ret in any case. */
enum err api_send(struct api *a, const struct api_request *q, struct api_answer *ret,
		  struct fail *fail) MUST_CHECK;
/*
 * One request whose answer is JSON. *ret is NULL for a 2xx without a body. A status that is no
 * 2xx is an error, and so is a body that is no JSON.
 */
enum err api_json(struct api *a, const struct api_request *q, struct doc **ret,
		  struct fail *fail) MUST_CHECK;
/* The error that an answer stands for; OK for a 2xx. */
enum err api_error(const struct api_answer *answer, struct fail *fail) MUST_CHECK;

/* A path from "%s" and nothing else; each argument becomes one segment, percent-encoded. */
char *api_path(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);

struct api_param {
	const char *name, *value; /* value NULL: left out; name NULL ends the list */
};

/* path?name=value&..., percent-encoded. */
char *api_query(struct arena *a, const char *path, const struct api_param *params);

#endif
