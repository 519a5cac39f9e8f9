-- Secrets that were replaced and still sign, each until its time, so that a receiver changes over without missing
-- anything: `[{"secret": sealed, "until": time}]`, newest first.
alter table webhooks add column replaced json not null default '[]';
