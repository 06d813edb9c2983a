# Needs: psql pg_lsclusters
# Figure: postgres-initdb initdb of PostgreSQL
# Figure: postgres-start start of PostgreSQL
# Figure: pgbench pgbench, 4 clients (a transaction)
# Figure: pgbench-select pgbench -S, 4 clients (a transaction)
. "$(dirname "$0")/../timing.bash"
seconds=${1:-10}
PATH=$(echo /usr/lib/postgresql/*/bin):$PATH
export PGHOST=$PWD/run PGPORT=7393 PGUSER=me
mkdir run; [ "$(id -u)" = 0 ] && chown nobody:nogroup run && chmod a+x "$PWD"
cd run || exit
figure postgres-initdb 1 as_somebody initdb -D data -U me -A trust --no-instructions --locale=C.UTF-8 > initdb.log 2>&1; echo "initdb $?"
grep ^@ initdb.log
start() { as_somebody pg_ctl -D data -l log -w -t 60 -o "-k $PWD -c listen_addresses=127.0.0.1" start > start.log; echo "start $?"; }
figure postgres-start 1 start
as_somebody createdb bench
as_somebody pgbench -i -q -s 1 bench > init.log 2>&1; echo "pgbench -i $?"
as_somebody pgbench -c 4 -j 2 -T "$seconds" bench > report 2> errors; echo "pgbench $?"
rate pgbench "$(awk '/^tps/ { print $3 }' report)"
grep -i failed report
as_somebody pgbench -S -c 4 -j 2 -T "$seconds" bench > report 2> errors; echo "pgbench -S $?"
rate pgbench-select "$(awk '/^tps/ { print $3 }' report)"
as_somebody psql -h 127.0.0.1 -At bench -c 'select count(*), sum(bbalance) = (select sum(delta) from pgbench_history) from pgbench_accounts, (select sum(bbalance) as bbalance from pgbench_branches) b group by bbalance' | head -3
as_somebody psql -At bench <<'S' | sed 's/PID [0-9]*/PID/'
create table t(a int primary key, b text, c jsonb); insert into t select i, 'row ' || i, jsonb_build_object('n', i) from generate_series(1, 5000) i;
create index on t((c->>'n')); select count(*), max(b), sum((c->>'n')::int) from t; begin; delete from t; rollback; select count(*) from t;
copy (select * from t order by a limit 2) to stdout; listen x; notify x, 'heard'; explain (costs off) select * from t where a = 7;
set max_parallel_workers_per_gather = 2; set parallel_setup_cost = 0; set parallel_tuple_cost = 0; set min_parallel_table_scan_size = 0; select sum(length(b)) from t;
S
as_somebody pg_dump bench | grep -c '^COPY'
as_somebody pg_ctl -D data -m fast -w stop | tail -1
start
as_somebody psql -At bench -c 'select count(*) from t'; as_somebody pg_ctl -D data -m immediate -w stop | tail -1
start
as_somebody psql -At bench -c 'select count(*) from t'; as_somebody pg_ctl -D data -w stop | tail -1
grep -E 'PANIC|FATAL:  (could|lock)' log
