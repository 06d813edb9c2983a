# Needs: ruby
cat > t.rb <<'R'
require 'json'; require 'digest'; require 'fileutils'; require 'open3'; require 'socket'; require 'tempfile'; require 'timeout'
puts JSON.generate({a: [1, 2.5, nil], "b" => "é"}), Digest::SHA256.hexdigest("x" * 1000)
FileUtils.mkdir_p("a/b"); File.write("a/b/f", "one\ntwo\n"); puts Dir.glob("a/**/*").sort, File.readlines("a/b/f").map(&:chomp).reverse
out, status = Open3.capture2("sort", stdin_data: "c\na\nb\n"); puts out, status.exitstatus
server = TCPServer.new("127.0.0.1", 0); thread = Thread.new { c = server.accept; c.puts c.gets.upcase; c.close }
s = TCPSocket.new("127.0.0.1", server.addr[1]); s.puts "hello"; puts s.gets; thread.join
pid = fork { exit 7 }; Process.wait pid; puts $?.exitstatus
r, w = IO.pipe; if fork then w.close; puts r.read; Process.wait else r.close; w.write "from child"; exit!(0) end
q = Queue.new; ts = 10.times.map { |i| Thread.new { 100.times { |j| q << i * j } } }; ts.each(&:join); puts q.size
begin; Timeout.timeout(0.05) { sleep }; rescue Timeout::Error; puts "timeout"; end
trap("USR1") { puts "usr1" }; Process.kill("USR1", Process.pid); sleep 0.05
f = Fiber.new { Fiber.yield 1; 2 }; puts f.resume, f.resume; GC.start; puts ObjectSpace.each_object(Class).first.class
ractor = Ractor.new { Ractor.receive * 2 } rescue nil; if ractor; ractor.send 21; puts ractor.take; end
puts (1..200).inject(:*), 10**50, Comparable.instance_methods.size > 3
R
ruby t.rb 2>/dev/null; ruby -e 'abort "bad"'; echo $?; ruby -ne 'puts $_ if /two/' a/b/f; gem list 2>/dev/null | grep -c json
