/* SPDX-License-Identifier: Apache-2.0 */
/* e2a domains: list, register, verify, delete. */
#include "cli/cli.h"

#define DOMAINS "/api/v1/domains"

enum { BODY_MAX = 16 * 1024, RECORDS_MAX = 32, TXT_STRING_MAX = 255 };

/* ---- records ---- */

static bool is_published(const struct doc *record)
{
	return slice_eq(doc_text(record, "status"), S("published"));
}

/* "example.com  verified  (to publish: dkim, spf)" */
static void print_domain(struct out *o, const struct doc *domain)
{
	const struct doc *records = doc_get(domain, "dns_records"), *record;
	const char *name, *sep = "  (to publish: ";

	out_line(o, doc_text(domain, "domain"));
	out_str(o, doc_bool(domain, "verified") ? "  verified" : "  not verified");
	for (size_t i = 0; i < RECORDS_MAX && (record = doc_member(records, i, &name)); i++) {
		if (doc_text(record, "status").n == 0 || is_published(record))
			continue;
		out_str(o, sep);
		out_line(o, slice_str(name));
		sep = ", ";
	}
	out_str(o, *sep == ',' ? ")\n" : "\n");
}

/* In strings of at most 255 bytes, as a zone file has them. */
static void print_txt(struct out *o, struct slice value)
{
	for (size_t at = 0; at == 0 || at < value.n; at += TXT_STRING_MAX) {
		out_str(o, " \"");
		out_line(o, slice_sub(value, at, at + TXT_STRING_MAX));
		out_str(o, "\"");
	}
	out_str(o, "\n");
}

static void print_record(struct out *o, struct slice domain, struct slice name,
			 const struct doc *record)
{
	struct slice host = doc_text(record, "host"), value = doc_text(record, "value");
	struct slice status = doc_text(record, "status");

	out_str(o, "; ");
	out_line(o, name);
	out_str(o, status.n ? ": " : "");
	out_line(o, status);
	out_str(o, "\n");
	if (!slice_eq(host, S("@"))) {
		out_line(o, host);
		out_str(o, ".");
	}
	out_line(o, domain);
	if (!slice_eq(name, S("mx"))) {
		out_str(o, ". IN TXT");
		print_txt(o, value);
		return;
	}
	out_strf(o, ". IN MX %lld ", (long long)doc_int(record, "priority"));
	out_line(o, value);
	out_str(o, slice_ends(value, S(".")) ? "\n" : ".\n");
}

static void print_records(struct out *o, const struct doc *answer)
{
	const struct doc *records = doc_get(answer, "dns_records"), *record;
	struct slice domain = doc_text(answer, "domain");
	const char *name;

	out_str(o, "; ");
	out_line(o, domain);
	out_str(o, doc_bool(answer, "verified")
			   ? ": verified\n"
			   : ": not verified; publish these records, then run: "
			     "e2a domains verify ");
	if (!doc_bool(answer, "verified")) {
		out_line(o, domain);
		out_str(o, "\n");
	}
	for (size_t i = 0; i < RECORDS_MAX && (record = doc_member(records, i, &name)); i++)
		print_record(o, domain, slice_str(name), record);
}

/* ---- commands ---- */

static enum err run_list(struct cli *c, struct fail *fail)
{
	AUTO(doc_freep) struct doc *answer = NULL;
	const struct doc *domains;
	enum err e = cli_call(c, &(struct api_request){ .path = DOMAINS }, &answer, fail);

	if (e)
		return e;
	domains = doc_get(answer, "domains");
	if (c->json)
		out_doc(&c->out, answer, DOC_PRETTY);
	else if (doc_count(domains) == 0)
		out_str(&c->out, "No domains.\n");
	for (size_t i = 0; !c->json && i < doc_count(domains); i++)
		print_domain(&c->out, doc_at(domains, i));
	return OK;
}

static enum err run_register(struct cli *c, struct fail *fail)
{
	AUTO(buf_release) struct buf body = BUF_INIT(BODY_MAX);
	AUTO(doc_freep) struct doc *answer = NULL;
	struct jsonw w;
	enum err e;

	jsonw_init(&w, &body);
	jsonw_object(&w);
	jsonw_key_text(&w, "domain", slice_str(c->args[0]));
	jsonw_object_end(&w);
	if (buf_check(&body))
		return cli_usage(c, fail, "the domain is too long");
	e = cli_call(c,
		     &(struct api_request){ .method = "POST",
					    .path = DOMAINS,
					    .body = buf_slice(&body),
					    .creates = true },
		     &answer, fail);
	if (e)
		return e;
	if (c->json)
		out_doc(&c->out, answer, DOC_PRETTY);
	else
		print_records(&c->out, answer);
	return OK;
}

static enum err run_verify(struct cli *c, struct fail *fail)
{
	AUTO(doc_freep) struct doc *answer = NULL;
	const struct api_request q = {
		.method = "POST",
		.path = api_path(&c->arena, DOMAINS "/%s/verify", c->args[0]),
	};
	enum err e = cli_id(c, c->args[0], "domain", fail);

	if (e || (e = cli_call(c, &q, &answer, fail)))
		return e;
	if (!doc_bool(answer, "verified"))
		return fail_set(fail, ERR_CONFLICT, "%.120s is not verified", c->args[0]);
	if (c->json)
		out_doc(&c->out, answer, DOC_PRETTY);
	else
		out_field(&c->out, "Verified:", doc_text(answer, "domain"));
	return OK;
}

static enum err run_delete(struct cli *c, struct fail *fail)
{
	const struct api_request q = {
		.method = "DELETE",
		.path = api_path(&c->arena, DOMAINS "/%s", c->args[0]),
	};
	enum err e = cli_id(c, c->args[0], "domain", fail);

	return e ? e : cli_done(c, &q, "Deleted:", "deleted", c->args[0], fail);
}

#define ONE_DOMAIN .args = "<domain>", .args_min = 1, .args_max = 1

const struct command domains_commands[] = {
	{ .name = "domains list",
	  .args = "",
	  .help = "List your domains.",
	  .details = "Behind a domain stands which of its records were not found in DNS.",
	  .run = run_list },
	{ .name = "domains register",
	  ONE_DOMAIN,
	  .help = "Claim a domain and print the records to publish.",
	  .details =
		  "The records have the form of a zone file. For a domain that is yours already they are\n"
		  "printed once more.",
	  .run = run_register },
	{ .name = "domains verify",
	  ONE_DOMAIN,
	  .help = "Look for the record that proves that a domain is yours.",
	  .run = run_verify },
	{ .name = "domains delete",
	  ONE_DOMAIN,
	  .help = "Give a domain up that has no agents.",
	  .run = run_delete },
	{ 0 },
};
