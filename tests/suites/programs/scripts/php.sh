# Needs: php
cat > t.php <<'P'
<?php
echo json_encode(["a" => [1, 2.5, null], "é" => true], JSON_UNESCAPED_UNICODE), "\n", hash("sha256", "x"), "\n";
file_put_contents("f", "one\ntwo\n"); print_r(file("f", FILE_IGNORE_NEW_LINES)); mkdir("d/e", 0755, true); print_r(scandir("d"));
echo shell_exec("echo from shell"), proc_close(proc_open("exit 4", [], $p)), "\n";
$s = stream_socket_server("tcp://127.0.0.1:0"); $c = stream_socket_client("tcp://" . stream_socket_get_name($s, false)); $a = stream_socket_accept($s); fwrite($c, "ping\n"); echo fgets($a);
function gen() { yield 1; yield 2; } foreach (gen() as $x) echo $x; echo preg_replace('/(\w)o/', '$1O', "foo bo"), PHP_EOL; $v = [3, 1, 2]; usort($v, fn($a, $b) => $a <=> $b);
$fh = fopen("f", "c+"); var_dump(flock($fh, LOCK_EX)); fseek($fh, 0, SEEK_END); echo ftell($fh), "\n"; var_dump(stat("f")["size"], is_dir("d"), glob("d/*"), date("c", 0));
P
php t.php; php -r 'exit(6);'; echo $?
echo '<?php echo "served ", $_GET["x"], "\n";' > i.php; php -S 127.0.0.1:8099 >/dev/null 2>&1 & p=$!
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do curl -s 'http://127.0.0.1:8099/i.php?x=5' && break; sleep 0.1; done; kill $p
