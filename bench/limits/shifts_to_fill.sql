-- A thousand shifts without a limit, tomorrow, and volunteers who are known to be active. Of each run's 100 000 numbers
-- (bench.load.posting) the first 10 000.
INSERT INTO knowncentre (id, region) VALUES ('$centre', 'KZ-75');
INSERT INTO event (id, version, status, centre_id, region, format, title, starts_at, ends_at, public, changed_by, changed_at)
VALUES ('$event', 1, 'published', '$centre', 'KZ-75', 'cleanup', '{"kk": "Сенбілік"}',
  now() + interval '1 day', now() + interval '26 hours', true, 'person-bench', now());
INSERT INTO shift (id, version, event_id, role, hazard, starts_at, ends_at, taken, called_off, opened_by, opened_at)
SELECT ('00000000-0000-7000-8000-11' || lpad(n::text, 10, '0'))::uuid, 1, '$event', 'Көмекші', 'none',
  now() + interval '1 day', now() + interval '26 hours', 0, false, 'person-bench', now()
FROM generate_series(1, 1000) AS n;
INSERT INTO knownvolunteer (id, centre_id, status, born_in, consent)
SELECT ('00000000-0000-7000-8000-00' || lpad(n::text, 10, '0'))::uuid, '$centre', 'active', '1990-05', true
FROM (
    SELECT n FROM generate_series(1, 100000) AS n
    UNION ALL
    SELECT 7000000000 + run * 100000 + n FROM generate_series($run, $run + 9) AS run, generate_series(1, 10000) AS n
) AS numbers;
ANALYZE knowncentre, event, shift, knownvolunteer;
