-- A place in a shift: volunteer and shift locked, the volunteer's other places looked at, all written and committed.
\set n random(1, 100000)
\set s random(1, 1000)
BEGIN; SET LOCAL asar.centres = '*'; SET LOCAL asar.parts = '*/*'; SET LOCAL asar.volunteer = '';
SELECT id, centre_id, status, born_in, consent FROM knownvolunteer
WHERE id = ('00000000-0000-7000-8000-00' || lpad(:n::text, 10, '0'))::uuid ORDER BY id FOR NO KEY UPDATE;
SELECT shift.*, event.status, event.centre_id, event.region, coalesce(knowncentre.changeover_minutes, 0)
FROM shift JOIN event ON event.id = shift.event_id LEFT JOIN knowncentre ON knowncentre.id = event.centre_id
WHERE shift.id = ('00000000-0000-7000-8000-11' || lpad(:s::text, 10, '0'))::uuid ORDER BY shift.id
FOR NO KEY UPDATE OF shift;
SELECT signup.*, event.status FROM signup JOIN event ON event.id = signup.event_id
WHERE signup.volunteer_id = ('00000000-0000-7000-8000-00' || lpad(:n::text, 10, '0'))::uuid
  AND signup.withdrawn_at IS NULL AND signup.ends_at > now() AND signup.starts_at < now() + interval '2 days';
WITH given AS (
    SELECT gen_random_uuid() AS id, ('00000000-0000-7000-8000-11' || lpad(:s::text, 10, '0'))::uuid AS shift_id,
      ('00000000-0000-7000-8000-00' || lpad(:n::text, 10, '0'))::uuid AS volunteer_id),
s AS (UPDATE shift SET taken = taken + 1, version = version + 1 FROM given WHERE shift.id = given.shift_id),
u AS (INSERT INTO signup (id, version, shift_id, event_id, centre_id, region, volunteer_id, starts_at, ends_at,
        confirmed_by, confirmed_at)
      SELECT id, 1, shift_id, '$event', '$centre', 'KZ-75', volunteer_id, now() + interval '1 day',
        now() + interval '26 hours', 'person-bench', now() FROM given
      ON CONFLICT DO NOTHING),
i AS (INSERT INTO idempotency (principal, operation, key, fingerprint, status, location, body, answered_at)
      SELECT 'person-bench', '/v1/sign-ups', id::text, sha256(id::text::bytea), 201, '/v1/sign-ups/' || id,
        repeat('x', 480)::bytea, now() FROM given)
INSERT INTO outbox (message_id, type, aggregate, version, lane, subject, body, recorded_at)
SELECT gen_random_uuid(), 'events.sign-up.confirmed.v1', 'events.sign-up/' || id, 1, 0,
  'asar.events.sign-up.confirmed.kz-75.$centre', repeat('x', 600), now()
FROM given;
COMMIT;
