/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON documents: the answers of the API, the config file, what is printed with --json.
 * The only user of jansson. A `const struct doc *` is borrowed from the document that holds it
 * and lives as long; all readers take NULL (nothing there) and values of another type.
 */
#ifndef E2A_CLI_DOC_H
#define E2A_CLI_DOC_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/mem.h"

#include <stdint.h>

struct doc;

enum doc_style {
	DOC_PLAIN, /* one line */
	DOC_PRETTY /* two blanks for each level */
};

/*
 * ERR_INPUT unless the text is one JSON value that is neither deep nor made of
 * more than JSONF_VALUES_MAX values. Free *ret with doc_free().
 */
enum err doc_parse(struct slice text, struct doc **ret) MUST_CHECK;
void doc_free(struct doc *d);
DEFINE_FREEP(struct doc, doc_free)

/* A member of an object, or NULL. */
const struct doc *doc_get(const struct doc *d, const char *name);
/* Elements of an array. */
size_t doc_count(const struct doc *d);
const struct doc *doc_at(const struct doc *d, size_t i);
/* The members of an object in their order; NULL behind the last one. */
const struct doc *doc_member(const struct doc *d, size_t i, const char **ret_name);
bool doc_is_object(const struct doc *d);
bool doc_is_array(const struct doc *d);
bool doc_is_text(const struct doc *d);
bool doc_is_null(const struct doc *d);

/* The member `name` of an object: its text ("" when it is none), number (0), truth (false). */
struct slice doc_text(const struct doc *d, const char *name);
int64_t doc_int(const struct doc *d, const char *name);
bool doc_bool(const struct doc *d, const char *name);
/* The value itself as text. */
struct slice doc_value_text(const struct doc *d);

/* Documents of our own. What is put into another belongs to that one. */
struct doc *doc_object(void);
struct doc *doc_array(void);
/* A copy of its own. */
struct doc *doc_copy(const struct doc *d);
/* Invalid UTF-8 becomes U+FFFD. */
void doc_set_text(struct doc *d, const char *name, struct slice value);
void doc_set_int(struct doc *d, const char *name, int64_t value);
void doc_set_bool(struct doc *d, const char *name, bool value);
void doc_set_null(struct doc *d, const char *name);
void doc_set(struct doc *d, const char *name, struct doc *value);
void doc_remove(struct doc *d, const char *name);
void doc_add(struct doc *d, struct doc *value);
void doc_add_text(struct doc *d, struct slice value);

/*
 * Appends the document as UTF-8. Controls and characters that are not seen or turn text around
 * stand in it as \u escapes, so that a terminal shows what is there.
 */
void doc_write(const struct doc *d, enum doc_style style, struct buf *ret);

#endif
