#!/bin/bash
# Needs: sqlite3
sqlite3 x.db 'create table t(a integer primary key, b text); insert into t(b) values("one"),("two"); select * from t;'; sqlite3 x.db .dump; file x.db | cut -c1-19
for mode in delete wal; do
  sqlite3 x.db "pragma journal_mode=$mode; delete from t;"
  for w in 1 2 3 4; do (for i in $(seq 5); do sqlite3 -cmd '.timeout 20000' x.db "begin immediate; insert into t(b) values('w$w'); insert into t(b) select count(*) from t; commit;"; done) & done; wait
  sqlite3 x.db 'select count(*) from t; select b, count(*) from t where b like "w%" group by b; pragma integrity_check;'; ls x.db*
done
sqlite3 big.db 'create table n(i, s); create index ix on n(s); with recursive c(x) as (select 1 union all select x+1 from c where x<20000) insert into n select x, hex(x*7) from c; select count(*), sum(i), max(s) from n; select i from n where s = hex(700); vacuum; analyze; explain query plan select * from n where s=1;' ; sqlite3 big.db '.backup copy.db'; sqlite3 copy.db 'select count(*) from n'; sqlite3 big.db '.mode csv' 'select * from n limit 2' > o.csv; cat o.csv; sqlite3 x.db '.import --csv o.csv imported' 'select * from imported'; sqlite3 x.db 'select * from nosuch' 2>&1; echo $?; sqlite3 :memory: 'select date("2020-01-01","+1 day"), printf("%05d", 42), json_extract("{""a"":5}","$.a")'; sqlite3 -readonly x.db 'delete from t' 2>&1; sqlite3 x.db 'begin exclusive; select 1; rollback;' ; sqlite3 x.db 'pragma mmap_size=1000000; select count(*) from t;'; chmod 000 x.db; sqlite3 /nonexistent/x.db 'select 1; create table x(a);' 2>&1; echo $?
