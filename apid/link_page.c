/* SPDX-License-Identifier: Apache-2.0 */
/* Pages behind mailed links. Whoever has the link has an answer; no account is asked for. */
#include "apid/link_page.h"

bool link_page_token(struct req *r, struct slice token)
{
	if (id_token_valid(token))
		return true;
	page_message(r, 400, "This link is incomplete",
		     "Copy all of it, also what stands in the next line of the mail.");
	return false;
}

void link_page_useless(struct req *r)
{
	page_message(r, 410, "This link is of no use",
		     "It is too old, or was replaced by one in a later mail. Whoever sent it can "
		     "ask you again.");
}

void link_page_who(struct buf *out, const char *before, struct slice who)
{
	buf_add_str(out, before);
	buf_add_str(out, "<b><bdi>");
	page_text(out, who);
	buf_add_str(out, "</bdi></b>");
}

void link_page_agent(struct buf *out, struct slice agent, struct slice owner_email,
		     struct slice owner_name)
{
	link_page_who(out, "<p>", agent);
	link_page_who(out, " is a program that writes e-mail. It belongs to ", owner_email);
	if (owner_name.n) {
		link_page_who(out, " (", owner_name);
		buf_add_str(out, ")");
	}
}

void link_page_button(struct buf *out, const char *action, const char *text, bool less)
{
	if (text)
		buf_addf(out,
			 "<button type=\"submit\" name=\"action\" value=\"%s\"%s>%s</button>\n",
			 action, less ? " class=\"less\"" : "", text);
}
