/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens of address lists (RFC 5322 3.2), private to addr_list.c. Comments and
 * white space become gaps between tokens. Time is linear in the text whatever
 * it holds, memory constant.
 */
#ifndef E2A_MAIL_ADDR_TOKEN_H
#define E2A_MAIL_ADDR_TOKEN_H

#include "common/base/slice.h"

enum token_type { T_END, T_ATOM, T_QUOTED, T_LITERAL, T_SPECIAL };

struct token {
	enum token_type type;
	char c;            /* T_SPECIAL: which one; any control counts as special */
	struct slice text; /* as written, with quotes or brackets */
	bool gap;          /* white space or a comment stood before it */
};

/*
 * A bracket that is never closed is an ordinary character; `plain` remembers
 * which kinds have none left to close them, so nothing is searched twice.
 */
struct addr_lexer {
	struct slice in;
	size_t at;
	struct slice comment; /* the last one seen, with its parentheses */
	bool plain_comment, plain_quote, plain_literal;
	bool limited; /* comments were nested beyond ADDR_COMMENT_DEPTH_MAX */
	bool odd;     /* something was read that another reader may read differently */
};

/* T_END for ever once the text is used up. */
struct token addr_next_token(struct addr_lexer *l);
/* Length of the longest atom (RFC 5322 3.2.3, UTF-8 allowed) at the start of s. */
size_t addr_atom_len(struct slice s);
/* A comment or literal with an address in it is one that naive readers take for the author. */
bool addr_looks_like_address(struct slice text);

#endif
