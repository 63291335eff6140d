-- A hundred jobs: inserted, claimed and completed in three transactions.
INSERT INTO jobs (client, payload) SELECT 1 + (random() * 999)::int, repeat('p', 350) FROM generate_series(1, 100);
WITH oldest AS (SELECT id FROM jobs WHERE state = 'pending' ORDER BY id FOR UPDATE SKIP LOCKED LIMIT 100) UPDATE jobs SET state = 'claimed', worker = :client_id, claimed_at = now() FROM oldest WHERE jobs.id = oldest.id;
UPDATE jobs SET state = 'completed', result = repeat('r', 200), completed_at = now() WHERE state = 'claimed' AND worker = :client_id;
