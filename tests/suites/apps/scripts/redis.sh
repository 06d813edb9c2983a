# Needs: redis-server redis-cli redis-benchmark
# Figure: redis-set redis-benchmark SET, 50 clients (a request)
# Figure: redis-get redis-benchmark GET, 50 clients (a request)
. "$(dirname "$0")/../timing.bash"
requests=${1:-10000}
redis-server --port 7391 --bind 127.0.0.1 --save '' --daemonize yes --dir "$PWD" --logfile "$PWD/log" > /dev/null
until_ready redis-cli -p 7391 ping
redis-benchmark -p 7391 -c 50 -n "$requests" -t set,get --csv | tr -d '"' | while IFS=, read -r test rps _; do
  case $test in SET | GET) rate "redis-${test,,}" "$rps"; echo "$test" ;; esac
done
seq 500 | sed 's/.*/set key:& value&/' | redis-cli -p 7391 | sort | uniq -c
redis-cli -p 7391 mget key:7 key:500 nothing
redis-cli -p 7391 dbsize | sed 's/50[12]/all/'
redis-cli -p 7391 config set save '3600 1'; redis-cli -p 7391 save; redis-cli -p 7391 shutdown; until_ready test -s dump.rdb
redis-server --port 7391 --bind 127.0.0.1 --daemonize yes --dir "$PWD" --logfile "$PWD/log" > /dev/null
until_ready redis-cli -p 7391 ping
redis-cli -p 7391 get key:77; redis-cli -p 7391 shutdown nosave
