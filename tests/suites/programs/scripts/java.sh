# Needs: java javac jar
cat > T.java <<'J'
import java.io.*; import java.net.*; import java.nio.channels.*; import java.nio.ByteBuffer; import java.nio.file.*; import java.util.*; import java.util.concurrent.*; import java.util.stream.*;
public class T { public static void main(String[] a) throws Exception {
  System.out.println(IntStream.rangeClosed(1, 1000).parallel().filter(i -> i % 7 == 0).sum());
  var pool = Executors.newFixedThreadPool(8); var fs = new ArrayList<Future<Integer>>(); for (int i = 0; i < 50; i++) { int k = i; fs.add(pool.submit(() -> k * k)); } int t = 0; for (var f : fs) t += f.get(); System.out.println(t); pool.shutdown();
  Files.createDirectories(Path.of("d/e")); Files.writeString(Path.of("d/e/f"), "text\n"); System.out.print(Files.readString(Path.of("d/e/f"))); try (var s = Files.walk(Path.of("d"))) { s.sorted().forEach(System.out::println); }
  try (var ss = new ServerSocket(0, 5, InetAddress.getLoopbackAddress())) { var th = new Thread(() -> { try (var c = ss.accept()) { c.getOutputStream().write("socket\n".getBytes()); } catch (IOException e) { System.out.println(e); } }); th.start(); try (var c = new Socket(ss.getInetAddress(), ss.getLocalPort())) { System.out.println(new BufferedReader(new InputStreamReader(c.getInputStream())).readLine()); } th.join(); }
  var p = new ProcessBuilder("sh", "-c", "echo child; exit 3").start(); System.out.print(new String(p.getInputStream().readAllBytes())); System.out.println(p.waitFor());
  try (var ch = FileChannel.open(Path.of("m"), StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE)) { var m = ch.map(FileChannel.MapMode.READ_WRITE, 0, 4096); m.put(0, (byte) 65); m.force(); var b = ByteBuffer.allocate(1); ch.read(b, 0); System.out.println((char) b.get(0)); try (var l = ch.lock()) { System.out.println(l.isValid()); } }
  try { Object o = null; o.toString(); } catch (NullPointerException e) { System.out.println("null"); } try { Files.readString(Path.of("nothing")); } catch (NoSuchFileException e) { System.out.println(e.getMessage()); }
  var list = new ArrayList<byte[]>(); for (int i = 0; i < 300; i++) { list.add(new byte[100_000]); if (i % 50 == 0) list.clear(); } System.gc(); System.out.println(list.size()); System.exit(6); } }
J
java -version 2>&1 | head -1; javac T.java 2>&1; java T; echo $?; java -Xint T | tail -1; printf 'Main-Class: T\n' > mf; jar cfm t.jar mf *.class; java -jar t.jar | head -1; java -XX:+UseSerialGC -Xmx64m T | head -2; java -XX:+UseParallelGC T | head -1
