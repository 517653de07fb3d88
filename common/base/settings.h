/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The settings of all e2a programs: one file, one table, so that every
 * program knows every key and an unknown one stops it. Sizes are bytes, times
 * milliseconds.
 */
#ifndef E2A_BASE_SETTINGS_H
#define E2A_BASE_SETTINGS_H

#include "common/base/conf.h"

#define SETTINGS_PATH "/etc/e2a/e2a.conf"

enum { HOLD_TTL_MAX_S = 604800 }; /* a mail waits at most so long for a human */

struct settings {
	/* deployment */
	char *database_url; /* without a password; see docs/operations.md */
	char *keys_dir;     /* holds milter.keys, deliverd.keys, apid.keys */
	char *hmac_secret;  /* the deployment secret, if given by environment */
	char *hmac_secret_file;
	char *shared_domain;      /* "" = none */
	char *from_domain;        /* "" = shared_domain; see common/mail/sender.h */
	char *shared_domain_from; /* auto | agent | relay */
	char *mail_host;          /* MX value handed out, authserv-id, LMTP banner */
	char *public_url;
	char *trial_smtp_url; /* "" = none */
	char *log_level;
	/* names */
	char *dns_servers;   /* "addr[@port] ..."; "" = /etc/resolv.conf */
	char *dns_config;    /* extra unbound.conf(5) text, "" = none */
	char *spf_mechanism; /* "" = a:mail_host */
	int64_t domain_check_interval_ms;
	int64_t domain_look_age_ms; /* 0: look each time */
	char *public_suffix_list;
	/* milter */
	char *milter_listen;        /* libmilter form: unix:/path or inet:port@host */
	char *milter_socket_mode;   /* of a unix socket */
	char *milter_scope;         /* e2a | all */
	char *milter_transport;     /* name of the master.cf service in {rcpt_mailer} */
	char *milter_inject_daemon; /* {daemon_name} of the listener for agents' mail */
	int64_t milter_budget_ms;
	char *milter_metrics; /* address:port of this computer, "" = off; so for the others */
	int64_t spf_helpers;
	int64_t spf_timeout_ms;
	int64_t dkim_max_signatures;
	int64_t dkim_min_key_bits;
	/* deliverd */
	char *lmtp_listen; /* unix:/path or inet:host:port */
	char *deliverd_metrics;
	int64_t lmtp_max_connections;
	int64_t lmtp_timeout_ms;
	int64_t message_size_limit;
	int64_t recipient_limit;
	int64_t memory_budget;
	int64_t deliverd_db_connections;
	int64_t verdict_max_age_ms;
	char *postfix_map_dir; /* "" = maps are not written */
	char *postfix_map_type;
	int64_t postfix_map_interval_ms;
	char *postmaster; /* where mail to postmaster@ and abuse@ of e2a domains goes */
	int64_t webhook_timeout_ms;
	int64_t webhook_concurrency;
	int64_t webhook_per_endpoint;
	int64_t webhook_per_user;
	int64_t webhook_per_host;
	int64_t webhook_breaker_failures;
	int64_t webhook_breaker_wait_ms;
	int64_t webhook_drain_rate;
	char *webhook_schedule; /* "5s 1m 5m ..." */
	int64_t webhook_notice_ms;
	char *webhook_allow;    /* CIDRs that may be private */
	char *webhook_https;    /* required | optional */
	char *webhook_ca_file;  /* PEM; "" = the system's */
	int64_t message_retention_ms;
	int64_t event_retention_ms;
	int64_t address_retention_ms;
	int64_t janitor_interval_ms;
	bool usage_tracking;
	char *submission_url; /* smtp://host[:port] or smtps://...: where our own mail goes */
	int64_t submission_timeout_ms;
	char *inject_url; /* the listener of Postfix for agents' mail */
	int64_t inject_timeout_ms;
	int64_t inject_settle_ms;
	char *postfix_log;
	int64_t postfix_log_window;
	char *inject_host; /* "" = gethostname(2) */
	int64_t inject_connections;
	char *mail_from;   /* its sender; "" = noreply@ mail_host */
	char *feedback_to; /* "" = postmaster */
	/* apid */
	char *http_listen; /* host:port, unix:/path or fd:3 */
	char *apid_metrics;
	int64_t http_workers;
	int64_t http_queue;
	int64_t http_max_connections;
	int64_t http_max_waiting;
	int64_t http_header_limit;
	int64_t http_header_timeout_ms;
	int64_t http_timeout_ms;
	int64_t http_write_timeout_ms;
	int64_t http_stop_timeout_ms;
	int64_t http_body_memory;
	int64_t http_per_client;
	int64_t wait_max;
	int64_t wait_per_user;
	int64_t wait_per_agent;
	char *http_trusted_proxies; /* CIDRs whose X-Forwarded-For counts */
	char *domain_verification;  /* dns | none */
	int64_t idempotency_retention_ms;
	int64_t export_concurrency;
	int64_t export_timeout_ms;
	/* how often: admissions in a sliding window; and how many of a thing one user may have */
	int64_t rate_registration;         /* an hour, per client address */
	int64_t rate_poll;                 /* a minute, per user */
	int64_t rate_pages;                /* the same, of a browser that is signed in */
	int64_t rate_feedback;             /* an hour, per client address */
	int64_t rate_domains;              /* a minute, per user */
	int64_t rate_sign_in;              /* an hour, per account address and per client address */
	int64_t rate_delegations;          /* an hour, per user */
	int64_t rate_delegation_mails;     /* a day, per user and address */
	int64_t rate_delegation_mails_all; /* a day, per address */
	int64_t rate_reviewers;            /* an hour, per user */
	int64_t rate_reviewer_mails;       /* a day, per user and address */
	int64_t rate_reviewer_mails_all;   /* a day, per address */
	int64_t rate_send;                 /* a minute, per agent */
	int64_t agents_per_user;
	int64_t domains_per_user;
	int64_t keys_per_user;
	int64_t delegations_per_agent;
	int64_t delegation_link_ms;
	int64_t reviewers_per_agent;
	int64_t reviewer_link_ms;
	/* mail that agents write */
	int64_t recipients_per_message;
	int64_t reply_budget; /* of one thread with one peer */
	int64_t reply_budget_window_ms;
	int64_t outbound_lifetime_ms;
	int64_t hold_expiry_interval_ms;
	int64_t hold_reminder_ms; /* before held mail expires */
	/* signing in */
	bool sign_up;
	bool sign_in_mail;
	int64_t sign_in_link_ms;
	int64_t session_lifetime_ms;
	int64_t cli_key_lifetime_ms;
	char *oidc_issuer; /* "" = none */
	char *oidc_name;
	char *oidc_client_id;
	char *oidc_client_secret;
	int64_t ws_per_agent;
	int64_t ws_per_user;
	int64_t ws_max;
	int64_t ws_buffer;
	int64_t ws_memory;
	int64_t ws_ping_ms;
	int64_t ws_pong_timeout_ms;
	int64_t ws_write_timeout_ms;
	int64_t ws_recheck_ms;
};

extern const struct conf_row settings_table[];

/*
 * Defaults, then `path` (NULL: SETTINGS_PATH), then the environment, then
 * settings_check(). On failure *ret is released.
 */
enum err settings_load(const char *path, struct settings *ret, struct fail *fail) MUST_CHECK;
void settings_release(struct settings *s);
/*
 * What no single row can check: a weak deployment secret, messages that would have served
 * their time while a human may still decide about them.
 */
enum err settings_check(const struct settings *s, struct fail *fail) MUST_CHECK;
/*
 * ERR_CONFIG for a secret that is empty, shorter than 32 bytes, a well-known
 * placeholder, or made of fewer than 8 different bytes.
 */
enum err settings_check_secret(struct slice secret, struct fail *fail) MUST_CHECK;

#endif
