/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Responses API of OpenAI and of those that speak it, as far as answering a mail needs it:
 * one text goes in, one comes out (POST /v1/responses, not streamed).
 */
#ifndef E2A_CLI_RESPONSES_H
#define E2A_CLI_RESPONSES_H

#include "common/base/arena.h"
#include "common/base/buf.h"

enum { RESPONSES_TEXT_MAX = 1024 * 1024 }; /* bytes of a mail's text; the rest is cut off */

/* A URL whose path ends in /v1/responses. */
bool responses_url(struct slice url);
/* Appends the body of the request. The texts are UTF-8. */
void responses_request(const char *model, struct slice from, struct slice subject,
		       struct slice text, struct buf *ret);
/*
 * The text that the model answered, joined from its parts, in the arena. ERR_INPUT, with the
 * reason for people in *fail, when there is none or it is not whole.
 */
enum err responses_answer(struct slice body, struct arena *a, struct slice *ret,
			  struct fail *fail) MUST_CHECK;

#endif
