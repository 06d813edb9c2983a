# Needs: sqlite3
# Figure: sqlite sqlite3, 10,000 inserts in 100 transactions
# Figure: sqlite-wal the same with a write-ahead log
. "$(dirname "$0")/../timing.bash"
{
  echo 'create table t(a integer primary key, b text, c real);'
  for ((i = 0; i < 10000; i++)); do
    ((i % 100)) || echo 'begin;'
    echo "insert into t(b, c) values('row $i', $i.5);"
    ((i % 100 == 99)) && echo 'commit;'
  done
} > statements
figure sqlite 1 sqlite3 d.db < statements
sqlite3 d.db 'select count(*), sum(a), sum(c), max(b) from t; pragma integrity_check'
(echo 'pragma journal_mode=wal;'; sed 's/create table t/create table u/; s/into t/into u/' statements) > wal
figure sqlite-wal 1 sqlite3 d.db < wal
sqlite3 d.db 'select count(*) from u; pragma wal_checkpoint(truncate); pragma integrity_check'; ls
