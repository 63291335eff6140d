-- One job: insert, claim, complete, each a transaction of its own that is durable before the next.
\set client random(1, 1000)
\set id 0
INSERT INTO jobs (client, payload) VALUES (:client, repeat('p', 350));
UPDATE jobs SET state = 'claimed', worker = :client_id, claimed_at = now() WHERE id = (SELECT id FROM jobs WHERE state = 'pending' ORDER BY id FOR UPDATE SKIP LOCKED LIMIT 1) RETURNING id \aset
UPDATE jobs SET state = 'completed', result = repeat('r', 200), completed_at = now() WHERE id = :id;
