-- The rows of one registration: volunteer, consent, status change, stored answer, message.
WITH given AS (SELECT gen_random_uuid() AS id, nextval('volunteer_number') AS number),
v AS (INSERT INTO volunteer (id, version, number, status, full_name, sort_key, name_folded, language,
        born_in, born_on, phone, phone_index, centre_id, region, directions, skills, languages_spoken,
        applied_on, status_on, registered_at)
      SELECT id, 1, number, 'applied', 'Ерікті Ерікті', 'GRLKUL GRLKUL', 'ерикти ерикти', 'kk',
        '1990-05', sha256(id::text::bytea), sha256(id::text::bytea),
        substr(sha256(id::text::bytea), 1, 16), '$centre', 'KZ-75', '["ecology"]', '[]', '[]',
        current_date, current_date, now() FROM given),
c AS (INSERT INTO consent (id, volunteer_id, centre_id, text_version, given_on, how, by, recorded_by, recorded_at)
      SELECT gen_random_uuid(), id, '$centre', '2021-1', current_date, 'paper', 'self', 'person-bench', now() FROM given),
s AS (INSERT INTO statuschange (id, volunteer_id, centre_id, status, "on", changed_by, changed_at)
      SELECT gen_random_uuid(), id, '$centre', 'applied', current_date, 'person-bench', now() FROM given),
i AS (INSERT INTO idempotency (principal, operation, key, fingerprint, status, location, body, answered_at)
      SELECT 'person-bench', '/v1/volunteers', id::text, sha256(id::text::bytea), 201, '/v1/volunteers/' || id,
        repeat('x', 620)::bytea, now() FROM given)
INSERT INTO outbox (message_id, type, aggregate, version, lane, subject, body, recorded_at)
SELECT gen_random_uuid(), 'volunteers.volunteer.registered.v1', 'volunteers.volunteer/' || id, 1, 0,
  'asar.volunteers.volunteer.registered.kz-75.$centre', repeat('x', 640), now()
FROM given;
