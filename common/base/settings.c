/* SPDX-License-Identifier: Apache-2.0 */
/* The table of settings. Every default must be safe for an operator who sets nothing else. */
#include "common/base/settings.h"

#include <limits.h>

#define ROW(name) .key = #name, .offset = offsetof(struct settings, name)
#define ROW_MS(name) .key = #name, .type = CONF_TIME, .offset = offsetof(struct settings, name##_ms)

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE };
#define DAY (24LL * HOUR)
#define MIB (1024LL * 1024)
#define RATE_MAX 1000000000

const struct conf_row settings_table[] = {
	/* deployment */
	{ ROW(database_url), .type = CONF_TEXT, .env = "E2A_DATABASE_URL",
	  .def = "postgresql:///e2a?host=/var/run/postgresql",
	  .help = "libpq URL of the database; a daemon adds its own role unless a user is named" },
	{ ROW(keys_dir), .type = CONF_TEXT, .def = "/etc/e2a/keys",
	  .help = "folder of milter.keys, deliverd.keys and apid.keys" },
	{ ROW(hmac_secret), .type = CONF_TEXT, .env = "E2A_HMAC_SECRET", .def = "",
	  .flags = CONF_SECRET,
	  .help = "the deployment secret, for e2a-admin; better kept in hmac_secret_file" },
	{ ROW(hmac_secret_file), .type = CONF_TEXT, .def = "/etc/e2a/secret",
	  .help = "file with the deployment secret, read by e2a-admin only" },
	{ ROW(shared_domain), .type = CONF_TEXT, .env = "E2A_SHARED_DOMAIN", .def = "",
	  .help = "domain on which users register agents by slug; empty switches that off" },
	{ ROW(from_domain), .type = CONF_TEXT, .env = "E2A_OUTBOUND_SMTP_FROM_DOMAIN", .def = "",
	  .help = "domain of agent@, in whose name mail goes out that cannot carry the agent's own address; empty: shared_domain" },
	{ ROW(shared_domain_from), .type = CONF_WORD, .words = "auto agent relay", .def = "auto",
	  .help = "From of agents on the shared domain: their own address (agent), agent@ from_domain (relay), or their own once the domain's DKIM key is published (auto)" },
	{ ROW(mail_host), .type = CONF_TEXT, .def = "localhost.localdomain",
	  .help = "host name of the Postfix: MX value handed out and authserv-id" },
	{ ROW(public_url), .type = CONF_TEXT, .env = "E2A_PUBLIC_URL", .def = "",
	  .help = "URL under which clients reach e2a-apid" },
	{ ROW(trial_smtp_url), .type = CONF_TEXT, .def = "",
	  .help = "smtp://host:port to which whoever tries this out may hand mail; anybody is told, and the dashboard shows how" },
	{ ROW(log_level), .type = CONF_WORD, .words = "debug info warn error", .def = "info",
	  .help = "least level that is logged" },
	/* name service */
	{ ROW(dns_servers), .type = CONF_TEXT, .def = "",
	  .help = "resolvers as address[@port] ...; empty: those of /etc/resolv.conf" },
	{ ROW(dns_config), .type = CONF_TEXT, .def = "",
	  .help = "file with further unbound.conf(5) settings" },
	{ ROW(spf_mechanism), .type = CONF_TEXT, .def = "",
	  .help = "what SPF records of e2a domains are to name; empty: a: and mail_host" },
	{ ROW_MS(domain_check_interval), .min = SECOND, .max = 7 * DAY, .def = "1h",
	  .help = "how often the records of verified domains are looked for" },
	{ ROW_MS(domain_look_age), .min = 0, .max = HOUR, .def = "30s",
	  .help = "who asks for a domain is told what was found so short a time ago, without another look" },
	{ ROW(public_suffix_list), .type = CONF_TEXT,
	  .def = "/usr/share/publicsuffix/effective_tld_names.dat",
	  .help = "public suffix list, for organisational domains (RFC 7489 3.2)" },
	/* milter */
	{ ROW(milter_listen), .type = CONF_TEXT, .def = "unix:/run/e2a/milter.sock",
	  .help = "socket of the milter: unix:/path or inet:port@host" },
	{ ROW(milter_socket_mode), .type = CONF_WORD, .words = "0600 0660 0666", .def = "0660",
	  .help = "mode of a unix socket; Postfix's smtpd and cleanup must be able to write to it" },
	{ ROW(milter_scope), .type = CONF_WORD, .words = "e2a all", .def = "e2a",
	  .help = "judge mail for the e2a transport only, or all mail" },
	{ ROW(milter_transport), .type = CONF_TEXT, .def = "e2a",
	  .help = "name of the master.cf service that delivers to e2a-deliverd" },
	{ ROW(milter_inject_daemon), .type = CONF_TEXT, .def = "e2a-inject",
	  .help = "milter_macro_daemon_name of the listener that takes mail with a ticket only" },
	{ ROW_MS(milter_budget), .min = SECOND, .max = 5 * MINUTE, .def = "25s",
	  .help = "time for judging one message; what is open then is temperror" },
	{ ROW(milter_metrics), .type = CONF_TEXT, .def = "",
	  .help = "loopback address:port where e2a-milter answers GET /metrics; empty: nowhere" },
	{ ROW(spf_helpers), .type = CONF_INT, .min = 1, .max = 256, .def = "16",
	  .help = "processes that evaluate SPF, each for one mail at a time" },
	{ ROW_MS(spf_timeout), .min = SECOND, .max = MINUTE, .def = "20s",
	  .help = "time for one SPF evaluation (RFC 7208 4.6.4)" },
	{ ROW(dkim_max_signatures), .type = CONF_INT, .min = 1, .max = 10, .def = "10",
	  .help = "DKIM signatures that are looked at" },
	{ ROW(dkim_min_key_bits), .type = CONF_INT, .min = 512, .max = 4096, .def = "1024",
	  .help = "smaller RSA keys are reported as policy, never as pass" },
	/* deliverd */
	{ ROW(lmtp_listen), .type = CONF_TEXT, .def = "unix:/run/e2a/lmtp.sock",
	  .help = "socket for lmtp(8): unix:/path or inet:host:port" },
	{ ROW(deliverd_metrics), .type = CONF_TEXT, .def = "",
	  .help = "loopback address:port where e2a-deliverd answers GET /metrics; empty: nowhere" },
	{ ROW(lmtp_max_connections), .type = CONF_INT, .min = 1, .max = 10000, .def = "200",
	  .help = "LMTP connections served at once" },
	{ ROW_MS(lmtp_timeout), .min = SECOND, .max = HOUR, .def = "5m",
	  .help = "an LMTP client that is silent for so long is cut off" },
	{ ROW(message_size_limit), .type = CONF_BYTES, .min = 1024, .max = 1024 * MIB,
	  .def = "10240000", .help = "largest message; keep it equal to Postfix's setting" },
	{ ROW(recipient_limit), .type = CONF_INT, .min = 1, .max = 1000, .def = "100",
	  .help = "recipients in one LMTP transaction" },
	{ ROW(memory_budget), .type = CONF_BYTES, .min = 4 * MIB, .max = 65536 * MIB, .def = "128m",
	  .help = "bytes of mail held in memory over all connections; beyond it LMTP says 452" },
	{ ROW(deliverd_db_connections), .type = CONF_INT, .min = 1, .max = 64, .def = "8",
	  .help = "database connections of one e2a-deliverd" },
	{ ROW_MS(verdict_max_age), .min = HOUR, .max = 60 * DAY, .def = "6d",
	  .help = "older verdicts are not trusted: maximal_queue_lifetime plus a day" },
	{ ROW(postfix_map_dir), .type = CONF_TEXT, .def = "",
	  .help = "folder for the tables that Postfix reads; empty: none are written" },
	{ ROW(postfix_map_type), .type = CONF_TEXT, .def = "hash",
	  .help = "type of those tables (postconf -m)" },
	{ ROW_MS(postfix_map_interval), .min = SECOND, .max = HOUR, .def = "1m",
	  .help = "how often the tables are compared with the database" },
	{ ROW(postmaster), .type = CONF_TEXT, .def = "postmaster",
	  .help = "address that receives mail to postmaster@ and abuse@ of e2a domains" },
	{ ROW_MS(webhook_timeout), .min = SECOND, .max = MINUTE, .def = "15s",
	  .help = "time for one webhook attempt, from name service to the last byte" },
	{ ROW(webhook_concurrency), .type = CONF_INT, .min = 1, .max = 10000, .def = "200",
	  .help = "webhook attempts under way at once" },
	{ ROW(webhook_per_endpoint), .type = CONF_INT, .min = 1, .max = 1000, .def = "10",
	  .help = "... of them to one endpoint" },
	{ ROW(webhook_per_user), .type = CONF_INT, .min = 1, .max = 10000, .def = "100",
	  .help = "... of them for one user" },
	{ ROW(webhook_per_host), .type = CONF_INT, .min = 1, .max = 10000, .def = "100",
	  .help = "... of them to one host and port, for whomever" },
	{ ROW(webhook_breaker_failures), .type = CONF_INT, .min = 1, .max = RATE_MAX, .def = "5",
	  .help = "after so many failures in a row an endpoint is left alone for a while" },
	{ ROW_MS(webhook_breaker_wait), .min = SECOND, .max = DAY, .def = "1m",
	  .help = "... at first for 5 seconds, then twice as long each time, up to this; then one attempt decides" },
	{ ROW(webhook_drain_rate), .type = CONF_INT, .min = 1, .max = 100000, .def = "50",
	  .help = "attempts a second at what waited for an endpoint that is back" },
	{ ROW(webhook_schedule), .type = CONF_TEXT, .def = "5s 1m 5m 30m 2h 5h 10h 14h 20h 24h",
	  .help = "waits between attempts; after the last one a delivery has failed" },
	{ ROW_MS(webhook_notice), .min = 0, .max = 365 * DAY, .def = "24h",
	  .help = "owners are told by mail of a webhook that failed for so long; 0: never" },
	{ ROW(webhook_allow), .type = CONF_TEXT, .def = "",
	  .help = "CIDR ranges that webhooks may reach although they are not public" },
	{ ROW(webhook_https), .type = CONF_WORD, .words = "required optional", .def = "required",
	  .help = "optional admits http:// for addresses in webhook_allow" },
	{ ROW(webhook_ca_file), .type = CONF_TEXT, .def = "",
	  .help = "certificate authorities for webhooks (PEM); empty: those of the system" },
	{ ROW_MS(message_retention), .min = HOUR, .max = 3650 * DAY, .def = "30d",
	  .help = "messages are kept so long after they came; at least 7 days, for which a mail may be held" },
	{ ROW_MS(event_retention), .min = HOUR, .max = 3650 * DAY, .def = "90d",
	  .help = "the ledger keeps what happened to a message so long" },
	{ ROW_MS(address_retention), .min = 0, .max = 3650 * DAY, .def = "90d",
	  .help = "the address of a deleted agent is kept from others so long; on the shared domain for good" },
	{ ROW_MS(janitor_interval), .min = SECOND, .max = DAY, .def = "10m",
	  .help = "how often what has served its time is looked for" },
	{ ROW(usage_tracking), .type = CONF_BOOL, .env = "E2A_USAGE_TRACKING", .def = "no",
	  .help = "count messages per user and day" },
	{ ROW(submission_url), .type = CONF_TEXT, .def = "smtp://127.0.0.1:25",
	  .help = "where e2a-deliverd hands in mail of its own: smtp://host:port or smtps://host:port" },
	{ ROW_MS(submission_timeout), .min = SECOND, .max = 10 * MINUTE, .def = "1m",
	  .help = "time for handing in one mail" },
	{ ROW(inject_url), .type = CONF_TEXT, .def = "smtp://127.0.0.1:10025",
	  .help = "where e2a-deliverd hands in agents' mail: smtp://host:port or smtps://host:port" },
	{ ROW_MS(inject_timeout), .min = SECOND, .max = 10 * MINUTE, .def = "30s",
	  .help = "time for handing in one mail of an agent" },
	{ ROW(inject_host), .type = CONF_TEXT, .def = "",
	  .help = "name of the Postfix behind inject_url, one for each; empty: the name of this host" },
	{ ROW(inject_connections), .type = CONF_INT, .min = 1, .max = 100, .def = "10",
	  .help = "connections by which e2a-deliverd hands over mail of agents, at most" },
	{ ROW_MS(inject_settle), .min = SECOND, .max = DAY, .def = "5m",
	  .help = "Postfix may work so long on a mail after its injection got no answer" },
	{ ROW(postfix_log), .type = CONF_TEXT, .def = "/var/log/mail.log",
	  .help = "Postfix's log, where mail is looked up whose injection got no answer" },
	{ ROW(postfix_log_window), .type = CONF_BYTES, .min = MIB, .max = 65536 * MIB,
	  .def = "256m", .help = "how much of it is read at most, from its end" },
	{ ROW(mail_from), .type = CONF_TEXT, .def = "",
	  .help = "sender of that mail; empty: noreply@ and mail_host" },
	{ ROW(feedback_to), .type = CONF_TEXT, .def = "",
	  .help = "address that receives users' feedback; empty: that of postmaster" },
	/* apid */
	{ ROW(http_listen), .type = CONF_TEXT, .def = "127.0.0.1:8080",
	  .help = "host:port, unix:/path, or fd:3 for a socket handed over by systemd" },
	{ ROW(apid_metrics), .type = CONF_TEXT, .def = "",
	  .help = "loopback address:port where e2a-apid answers GET /metrics; empty: nowhere" },
	{ ROW(http_workers), .type = CONF_INT, .min = 1, .max = 64, .def = "4",
	  .help = "threads that run requests, each with a database connection" },
	{ ROW(http_queue), .type = CONF_INT, .min = 1, .max = 100000, .def = "256",
	  .help = "requests that wait for a worker; beyond it the answer is 503" },
	{ ROW(http_max_connections), .type = CONF_INT, .min = 1, .max = 100000, .def = "1000",
	  .help = "HTTP connections at once" },
	{ ROW(http_max_waiting), .type = CONF_INT, .min = 1, .max = 100000, .def = "500",
	  .help = "connections without a complete request head yet; beyond it the oldest is closed" },
	{ ROW(http_header_limit), .type = CONF_BYTES, .min = 2048, .max = MIB, .def = "16k",
	  .help = "largest head of a request" },
	{ ROW_MS(http_header_timeout), .min = SECOND, .max = 5 * MINUTE, .def = "10s",
	  .help = "a new connection has so long to send the head of its first request" },
	{ ROW_MS(http_timeout), .min = SECOND, .max = HOUR, .def = "2m",
	  .help = "from the end of one request to the end of the next on the same connection" },
	{ ROW_MS(http_write_timeout), .min = SECOND, .max = DAY, .def = "5m",
	  .help = "a client has so long to take a response, or the next piece of a large one" },
	{ ROW_MS(http_stop_timeout), .min = SECOND, .max = 5 * MINUTE, .def = "10s",
	  .help = "at a stop, requests under way may take so long" },
	{ ROW(http_body_memory), .type = CONF_BYTES, .min = 32 * MIB, .max = 65536 * MIB,
	  .def = "256m",
	  .help = "bytes of request bodies above 64k in memory over all connections, a quarter of them for one client; beyond it the answer is 503" },
	{ ROW(http_per_client), .type = CONF_INT, .min = 1, .max = 100000, .def = "100",
	  .help = "HTTP connections of one client address; trusted proxies are not counted" },
	{ ROW(wait_max), .type = CONF_INT, .min = 1, .max = 100000, .def = "1000",
	  .help = "requests that wait for mail at once, beside http_max_connections; beyond it the answer is 503" },
	{ ROW(wait_per_user), .type = CONF_INT, .min = 1, .max = 100000, .def = "500",
	  .help = "... of them of one user" },
	{ ROW(wait_per_agent), .type = CONF_INT, .min = 1, .max = 100, .def = "8",
	  .help = "... of them for the mail of one agent" },
	{ ROW(http_trusted_proxies), .type = CONF_TEXT, .def = "",
	  .help = "CIDR ranges of reverse proxies, whose X-Forwarded-For names the client" },
	{ ROW(domain_verification), .type = CONF_WORD, .words = "dns none", .def = "dns",
	  .help = "none verifies any domain without proof: for tests only" },
	{ ROW_MS(idempotency_retention), .min = MINUTE, .max = 30 * DAY, .def = "24h",
	  .help = "an Idempotency-Key is remembered so long" },
	{ ROW(export_concurrency), .type = CONF_INT, .min = 1, .max = 64, .def = "2",
	  .help = "exports under way at once, each with a database connection" },
	{ ROW_MS(export_timeout), .min = SECOND, .max = DAY, .def = "10m",
	  .help = "a client has so long to take one export" },
	{ ROW(rate_registration), .type = CONF_INT, .min = 1, .max = RATE_MAX, .def = "20",
	  .help = "agents that one client address may try to register in an hour" },
	{ ROW(rate_poll), .type = CONF_INT, .min = 1, .max = RATE_MAX, .def = "60",
	  .help = "message lists and messages that one user may fetch in a minute" },
	{ ROW(rate_pages), .type = CONF_INT, .min = 1, .max = RATE_MAX, .def = "600",
	  .help = "the same for a user's browser that is signed in, counted apart" },
	{ ROW(rate_feedback), .type = CONF_INT, .min = 1, .max = RATE_MAX, .def = "10",
	  .help = "feedback that one client address may send in an hour" },
	{ ROW(rate_domains), .type = CONF_INT, .min = 1, .max = RATE_MAX, .def = "60",
	  .help = "domains that one user may claim, look at or verify in a minute" },
	{ ROW(rate_sign_in), .type = CONF_INT, .min = 1, .max = RATE_MAX, .def = "10",
	  .help = "sign-in mails in an hour: to one address, and for one client address" },
	{ ROW(rate_delegations), .type = CONF_INT, .min = 1, .max = RATE_MAX, .def = "20",
	  .help = "delegations that one user may ask for in an hour" },
	{ ROW(rate_delegation_mails), .type = CONF_INT, .min = 1, .max = RATE_MAX, .def = "3",
	  .help = "mails in a day by which one user asks one address for a delegation" },
	{ ROW(rate_delegation_mails_all), .type = CONF_INT, .min = 1, .max = RATE_MAX, .def = "10",
	  .help = "mails in a day by which all users together ask one address for a delegation" },
	{ ROW(rate_reviewers), .type = CONF_INT, .min = 1, .max = RATE_MAX, .def = "20",
	  .help = "reviewers that one user may name in an hour" },
	{ ROW(rate_reviewer_mails), .type = CONF_INT, .min = 1, .max = RATE_MAX, .def = "10",
	  .help = "mails in a day by which one user asks one address to review" },
	{ ROW(rate_reviewer_mails_all), .type = CONF_INT, .min = 1, .max = RATE_MAX, .def = "20",
	  .help = "mails in a day by which all users together ask one address to review" },
	{ ROW(rate_send), .type = CONF_INT, .min = 1, .max = RATE_MAX, .def = "60",
	  .help = "mails, replies among them, that one agent may write in a minute" },
	{ ROW(agents_per_user), .type = CONF_INT, .min = 1, .max = RATE_MAX, .def = "1000",
	  .help = "agents that one user may have" },
	{ ROW(domains_per_user), .type = CONF_INT, .min = 1, .max = RATE_MAX, .def = "100",
	  .help = "domains that one user may claim" },
	{ ROW(keys_per_user), .type = CONF_INT, .min = 1, .max = RATE_MAX, .def = "100",
	  .help = "API keys that one user may have" },
	{ ROW(delegations_per_agent), .type = CONF_INT, .min = 1, .max = RATE_MAX, .def = "20",
	  .help = "delegations that one agent may have which are not revoked" },
	{ ROW_MS(delegation_link), .min = HOUR, .max = 90 * DAY, .def = "7d",
	  .help = "a human may agree to a delegation for so long after being asked" },
	{ ROW(reviewers_per_agent), .type = CONF_INT, .min = 1, .max = 100, .def = "10",
	  .help = "reviewers that one agent may have, in whatever state" },
	{ ROW_MS(reviewer_link), .min = HOUR, .max = 90 * DAY, .def = "7d",
	  .help = "a human may agree to review for so long after being asked" },
	{ ROW(recipients_per_message), .type = CONF_INT, .min = 1, .max = 100, .def = "50",
	  .help = "recipients that one mail of an agent may have" },
	{ ROW(reply_budget), .type = CONF_INT, .min = 1, .max = RATE_MAX, .def = "30",
	  .help = "mails by which one agent may answer one address in one thread, within the window; three times as many in any" },
	{ ROW_MS(reply_budget_window), .min = MINUTE, .max = 7 * DAY, .def = "1h",
	  .help = "the time in which they are counted" },
	{ ROW_MS(outbound_lifetime), .min = MINUTE, .max = 30 * DAY, .def = "5d",
	  .help = "an agent's mail that Postfix does not take is given up after so long" },
	{ ROW_MS(hold_expiry_interval), .min = SECOND, .max = HOUR, .def = "1m",
	  .help = "how often held mail is looked for whose time is over" },
	{ ROW_MS(hold_reminder), .min = 0, .max = 7 * DAY, .def = "1d",
	  .help = "who was asked about held mail is reminded so long before it expires, or after half of its time; 0s: never" },
	{ ROW(sign_up), .type = CONF_BOOL, .def = "no",
	  .help = "signing in with an unknown address makes an account" },
	{ ROW(sign_in_mail), .type = CONF_BOOL, .def = "yes",
	  .help = "users may sign in by a link that is mailed to them" },
	{ ROW_MS(sign_in_link), .min = MINUTE, .max = HOUR, .def = "10m",
	  .help = "a mailed link is good so long, once" },
	{ ROW_MS(session_lifetime), .min = MINUTE, .max = 90 * DAY, .def = "7d",
	  .help = "a browser stays signed in so long" },
	{ ROW_MS(cli_key_lifetime), .min = HOUR, .max = 3650 * DAY, .def = "90d",
	  .help = "API keys that the CLI's login makes are good so long" },
	{ ROW(oidc_issuer), .type = CONF_TEXT, .def = "",
	  .help = "OpenID provider to sign in with, such as https://accounts.google.com" },
	{ ROW(oidc_name), .type = CONF_TEXT, .def = "single sign-on",
	  .help = "what the button for it says" },
	{ ROW(oidc_client_id), .type = CONF_TEXT, .def = "",
	  .help = "what the provider knows this deployment as" },
	{ ROW(oidc_client_secret), .type = CONF_TEXT, .env = "E2A_OIDC_CLIENT_SECRET", .def = "",
	  .flags = CONF_SECRET, .help = "the secret that goes with it" },
	{ ROW(ws_per_agent), .type = CONF_INT, .min = 1, .max = 100, .def = "8",
	  .help = "WebSockets of one agent in one e2a-apid" },
	{ ROW(ws_per_user), .type = CONF_INT, .min = 1, .max = 1000000, .def = "2000",
	  .help = "... of one user, so that others find room" },
	{ ROW(ws_max), .type = CONF_INT, .min = 1, .max = 1000000, .def = "10000",
	  .help = "WebSockets of one e2a-apid" },
	{ ROW(ws_buffer), .type = CONF_BYTES, .min = 4096, .max = 64 * MIB, .def = "256k",
	  .help = "bytes of notifications held in memory for one WebSocket" },
	{ ROW(ws_memory), .type = CONF_BYTES, .min = 64 * 1024, .max = 65536 * MIB, .def = "64m",
	  .help = "... for all of them; when that is used up, each gets one at a time" },
	{ ROW_MS(ws_ping), .min = SECOND, .max = HOUR, .def = "30s",
	  .help = "time between pings to a WebSocket, and between comments in an event stream" },
	{ ROW_MS(ws_pong_timeout), .min = SECOND, .max = HOUR, .def = "10s",
	  .help = "a WebSocket that does not answer a ping for so long is closed" },
	{ ROW_MS(ws_write_timeout), .min = SECOND, .max = HOUR, .def = "10s",
	  .help = "a WebSocket (1013) or event stream that takes nothing for so long is closed; its mail stays unread" },
	{ ROW_MS(ws_recheck), .min = SECOND, .max = HOUR, .def = "5s",
	  .help = "how often an open WebSocket's key or session and agent are checked when no change is told" },
	{ .key = NULL },
};

enum err settings_load(const char *path, struct settings *ret, struct fail *fail)
{
	struct settings s = { 0 };

	conf_defaults(settings_table, &s);
	if (conf_read_file(settings_table, &s, path ? path : SETTINGS_PATH, fail) ||
	    conf_read_env(settings_table, &s, fail) || settings_check(&s, fail)) {
		settings_release(&s);
		return ERR_CONFIG;
	}
	*ret = s;
	return OK;
}

void settings_release(struct settings *s)
{
	conf_release(settings_table, s);
}

enum err settings_check(const struct settings *s, struct fail *fail)
{
	if (s->message_retention_ms < HOLD_TTL_MAX_S * (int64_t)SECOND)
		return fail_set(
			fail, ERR_CONFIG,
			"message_retention must be at least the %d seconds that a mail may be held",
			HOLD_TTL_MAX_S);
	if (*s->hmac_secret)
		return settings_check_secret(slice_str(s->hmac_secret), fail);
	return OK;
}

/* In any capitalisation. */
static bool mentions(struct slice text, struct slice word)
{
	for (size_t i = 0; i < text.n; i++)
		if (slice_istarts(slice_sub(text, i, text.n), word))
			return true;
	return false;
}

enum err settings_check_secret(struct slice secret, struct fail *fail)
{
	static const char *const placeholders[] = { "change-me",   "changeme",    "placeholder",
						    "your-secret", "secret-here", "example" };
	bool seen[UCHAR_MAX + 1] = { false };
	size_t different = 0;

	if (secret.n < 32)
		return fail_set(fail, ERR_CONFIG, "the deployment secret is shorter than 32 bytes");
	for (size_t i = 0; i < sizeof(placeholders) / sizeof(placeholders[0]); i++)
		if (mentions(secret, slice_str(placeholders[i])))
			return fail_set(fail, ERR_CONFIG, "the deployment secret is a placeholder");
	for (size_t i = 0; i < secret.n; i++) {
		different += !seen[(unsigned char)secret.p[i]];
		seen[(unsigned char)secret.p[i]] = true;
	}
	if (different < 8)
		return fail_set(fail, ERR_CONFIG,
				"the deployment secret has fewer than 8 different bytes");
	return OK;
}
