# Needs: nginx wrk curl
# Figure: nginx nginx with wrk, 20 connections (a request)
. "$(dirname "$0")/../timing.bash"
seconds=${1:-2}
PATH=$PATH:/usr/sbin
mkdir html
printf '<html>hello</html>\n' > html/index.html; head -c 300000 /dev/zero | tr '\0' x > html/large
[ "$(id -u)" = 0 ] && user='user nobody nogroup;' && chmod -R a+rX "$PWD"
cat > conf <<C
${user:-}
daemon on; worker_processes 2; pid $PWD/pid; error_log $PWD/error.log;
events { worker_connections 256; }
http {
  access_log $PWD/access.log; sendfile on; tcp_nopush on; keepalive_requests 100000000;
  client_body_temp_path $PWD/t1; proxy_temp_path $PWD/t2; fastcgi_temp_path $PWD/t3; uwsgi_temp_path $PWD/t4; scgi_temp_path $PWD/t5;
  server { listen 127.0.0.1:7392; root $PWD/html; location /old { return 301 /index.html; } location /through/ { proxy_pass http://127.0.0.1:7392/; } }
}
C
nginx -p "$PWD" -c conf -e "$PWD/error.log" && echo started
until_ready curl -s http://127.0.0.1:7392/
wrk -t 2 -c 20 -d "$seconds" http://127.0.0.1:7392/ > report
rate nginx "$(awk '/^Requests\/sec/ { print $2 }' report)"
grep -E 'Non-2xx|Socket errors' report
curl -s http://127.0.0.1:7392/; curl -s http://127.0.0.1:7392/through/large | md5sum; curl -s -r 10-19 http://127.0.0.1:7392/large; echo
curl -s -o /dev/null -w '%{http_code} %{redirect_url}\n' http://127.0.0.1:7392/old; curl -s -o /dev/null -w '%{http_code}\n' http://127.0.0.1:7392/nothing
nginx -p "$PWD" -c conf -e "$PWD/error.log" -s reload; until_ready curl -s http://127.0.0.1:7392/; curl -s http://127.0.0.1:7392/
nginx -p "$PWD" -c conf -e "$PWD/error.log" -s quit; until_ready test ! -e pid; grep -cE 'alert|emerg|crit' error.log
