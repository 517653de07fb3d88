/* SPDX-License-Identifier: Apache-2.0 */
/* The handlers that the route table names, one file per resource. */
#ifndef E2A_APID_HANDLERS_H
#define E2A_APID_HANDLERS_H

struct req;

void health_get(struct req *r);
void ready_get(struct req *r);
void info_get(struct req *r);

/* The description of this interface: docs/openapi.yaml. */
void reference_get_page(struct req *r);
void reference_get_yaml(struct req *r);
void reference_get_json(struct req *r);
void web_get_page(struct req *r);
void web_get_file(struct req *r);

void feedback_create(struct req *r);

/* The account at one look. */
void overview_get(struct req *r);

void agent_list(struct req *r);
void agent_create(struct req *r);
void agent_get(struct req *r);
void agent_put(struct req *r);
void agent_delete(struct req *r);

void account_export(struct req *r);
void account_delete(struct req *r);

void login_page(struct req *r);
void login_ask(struct req *r);
void login_link_page(struct req *r);
void login_link_use(struct req *r);
/* Where a link of an operator's leads. */
void login_open_page(struct req *r);
void login_by_key(struct req *r);
void login_callback(struct req *r);
void login_consent_page(struct req *r);
void login_consent(struct req *r);
void login_logout(struct req *r);
void login_me(struct req *r);
/* Where a browser goes that has signed in. */
void login_home(struct req *r);

void signing_key_list(struct req *r);
void signing_key_create(struct req *r);
void signing_key_delete(struct req *r);
void secret_list(struct req *r);
void secret_create(struct req *r);
void secret_delete(struct req *r);

void key_list(struct req *r);
void key_create(struct req *r);
void key_delete(struct req *r);

void dashboard_agents(struct req *r);
void dashboard_agent_put(struct req *r);
void dashboard_agent_delete(struct req *r);
void dashboard_activity(struct req *r);

void message_list(struct req *r);
void message_get(struct req *r);
void message_html_get(struct req *r);
void history_get(struct req *r);
void attachment_get(struct req *r);
void conversation_list(struct req *r);
void event_stream(struct req *r);

/* The webhook of an agent, its calls, and calls that are made again. */
void webhook_get(struct req *r);
void webhook_enable(struct req *r);
void delivery_get(struct req *r);
void delivery_list(struct req *r);
void message_redeliver(struct req *r);
void agent_redeliver(struct req *r);

void mail_send(struct req *r);
void mail_reply(struct req *r);
void mail_test(struct req *r);
void outbound_get(struct req *r);
void outbound_get_html(struct req *r);
void hold_list(struct req *r);
void hold_approve(struct req *r);
void hold_reject(struct req *r);
void sent_list(struct req *r);
void sent_get(struct req *r);

void domain_list(struct req *r);
void domain_create(struct req *r);
void domain_delete(struct req *r);
void domain_get(struct req *r);
void domain_verify(struct req *r);
void domain_rotate(struct req *r);

void delegation_create(struct req *r);
void delegation_list(struct req *r);
void delegation_delete(struct req *r);
/* The human's side of it. */
void delegation_page(struct req *r);
void delegation_answer(struct req *r);

void reviewer_create(struct req *r);
void reviewer_list(struct req *r);
void reviewer_delete(struct req *r);
/* The human's side of it. */
void reviewer_page(struct req *r);
void reviewer_answer(struct req *r);

/* The links in a mail that asks a human, and the parts of the mail that it asks about. */
void approval_page(struct req *r);
void approval_answer(struct req *r);
void rejection_page(struct req *r);
void rejection_answer(struct req *r);
void approval_content(struct req *r);
/* The same for the owner, who is signed in. */
void pending_list(struct req *r);
void pending_review(struct req *r);
void pending_decide(struct req *r);
void pending_content(struct req *r);

void suppression_list(struct req *r);
void suppression_delete(struct req *r);
void suppression_delete_asked(struct req *r);

/* A WebSocket request that came to the HTTP server: says why it cannot be served. */
void ws_refuse(struct req *r);

#endif
