-- SPDX-License-Identifier: Apache-2.0
-- How many jobs were given up is looked at all the time, and they are few among many.
CREATE INDEX webhook_jobs_failed_idx ON webhook_jobs (created_at) WHERE state = 'failed';
CREATE INDEX outbound_jobs_failed_idx ON outbound_jobs (created_at) WHERE state = 'failed';
