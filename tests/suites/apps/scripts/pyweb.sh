# Needs: python3
# Figure: python-web Python's web server, 1,000 requests (one)
. "$(dirname "$0")/../timing.bash"
cat > web.py <<'P'
import http.client, http.server, socket, sys, threading, time
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version, wbufsize, disable_nagle_algorithm = "HTTP/1.1", -1, True
    def do_GET(self):
        body = b"you asked for " + self.path.encode()
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers(); self.wfile.write(body)
    def log_message(self, *arguments): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
right, begin = 0, time.perf_counter_ns()
connection = http.client.HTTPConnection(*server.server_address)
for number in range(1000):
    if number % 10 == 0: connection.close()
    connection.request("GET", f"/{number}")
    right += connection.getresponse().read() == b"you asked for /%d" % number
print(f"@python-web {(time.perf_counter_ns() - begin) // 1000}")
print(right, "right")
server.shutdown()
P
python3 web.py
