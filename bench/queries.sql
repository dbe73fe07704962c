-- queries.sql: what the database does for tools/bench. Much code, each piece of it seldom run for long.
CREATE TABLE item (number INTEGER PRIMARY KEY, label TEXT, weight REAL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
    INSERT INTO item SELECT i, printf('%06d-%s', (i * 7919) % 60000, hex(i * i)), i / 7.0 FROM n;
CREATE INDEX by_label ON item (label);
SELECT count(*), sum(length(label)) FROM item WHERE label LIKE '%9A%';
SELECT substr(label, 1, 3) AS head, count(*) FROM item GROUP BY head ORDER BY 2 DESC, 1 LIMIT 3;
UPDATE item SET weight = weight * 1.5 WHERE number % 3 = 0;
SELECT a.number, b.label FROM item a JOIN item b ON b.label = printf('%06d-%s', (a.number * 7919) % 60000, hex(a.number * a.number))
    WHERE a.number % 1000 = 0 ORDER BY 1 DESC LIMIT 2;
SELECT group_concat(x, ',') FROM (SELECT DISTINCT substr(upper(replace(label, '0', 'z')), 4, 2) AS x FROM item ORDER BY 1 LIMIT 10);
DELETE FROM item WHERE label < '030000';
SELECT count(*), sum(number) FROM item;
