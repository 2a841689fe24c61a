-- The rows of one gift: donation, entry, its two legs, stored answer, message.
WITH given AS (SELECT gen_random_uuid() AS id),
d AS (INSERT INTO donation (id, version, campaign_id, centre_id, region, kind, method, amount_minor, refunded_minor,
        anonymous, donor, external_ref, occurred_on, receipt_year, recorded_by, recorded_at)
      SELECT id, 1, '$campaign', '$centre', 'KZ-75', 'money', 'bank', 500000, 0,
        false, sha256(id::text::bytea) || sha256(id::text::bytea), id::text, current_date,
        extract(year FROM current_date)::smallint, 'person-bench', now() FROM given),
e AS (INSERT INTO entry (id, kind, centre_id, occurred_on, recorded_by, recorded_at)
      SELECT id, 'gift', '$centre', current_date, 'person-bench', now() FROM given),
l AS (INSERT INTO leg (entry_id, position, account, amount_minor, campaign_id, centre_id, region, occurred_on)
      SELECT id, position, account, amount, '$campaign', '$centre', 'KZ-75', current_date
      FROM given, (VALUES (1, 'cash', 500000), (2, 'donors', -500000)) AS legs(position, account, amount)),
i AS (INSERT INTO idempotency (principal, operation, key, fingerprint, status, location, body, answered_at)
      SELECT 'person-bench', '/v1/donations', id::text, sha256(id::text::bytea), 201, '/v1/donations/' || id,
        repeat('x', 620)::bytea, now() FROM given)
INSERT INTO outbox (message_id, type, aggregate, version, lane, subject, body, recorded_at)
SELECT gen_random_uuid(), 'charity.donation.received.v1', 'charity.donation/' || id, 1, 0,
  'asar.charity.donation.received.kz-75.$centre', repeat('x', 640), now()
FROM given;
