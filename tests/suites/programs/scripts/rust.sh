# Needs: /usr/bin/rustc /usr/bin/cargo gcc
cat > t.rs <<'R'
use std::{collections::BTreeMap, fs, io::{Read, Write}, net::{TcpListener, TcpStream}, process::Command, sync::{mpsc, Arc, Mutex}, thread};
fn main() {
    let total = Arc::new(Mutex::new(0u64));
    let hs: Vec<_> = (0..8).map(|i| { let t = total.clone(); thread::spawn(move || for j in 0..1000 { *t.lock().unwrap() += i * j; }) }).collect();
    for h in hs { h.join().unwrap(); }
    println!("{}", total.lock().unwrap());
    let (tx, rx) = mpsc::channel(); thread::spawn(move || for i in 0..5 { tx.send(i).unwrap(); }); println!("{:?}", rx.iter().collect::<Vec<i32>>());
    let l = TcpListener::bind("127.0.0.1:0").unwrap(); let a = l.local_addr().unwrap();
    let h = thread::spawn(move || { let (mut s, _) = l.accept().unwrap(); s.write_all(b"hello").unwrap(); });
    let mut s = String::new(); TcpStream::connect(a).unwrap().read_to_string(&mut s).unwrap(); h.join().unwrap(); println!("{s}");
    fs::create_dir_all("d/e").unwrap(); fs::write("d/e/f", "text").unwrap(); println!("{}", fs::read_to_string("d/e/f").unwrap());
    println!("{:?}", Command::new("sh").args(["-c", "echo out; exit 3"]).output().map(|o| (o.status.code(), String::from_utf8(o.stdout))).unwrap());
    let m: BTreeMap<_, _> = "hello".chars().map(|c| (c, c as u32)).collect(); println!("{m:?}"); println!("{:?}", fs::read("nothing").map_err(|e| e.kind()));
    let r = std::panic::catch_unwind(|| { panic!("p") }); println!("{}", r.is_err()); std::process::exit(9);
}
R
/usr/bin/rustc -C opt-level=1 t.rs -o t 2>&1; ./t 2>/dev/null; echo $?
export CARGO_HOME=$PWD/cargo; /usr/bin/cargo new --vcs none -q p 2>&1; cd p; echo '#[test] fn works() { assert_eq!(2 + 2, 4); }' >> src/main.rs; /usr/bin/cargo --offline run -q 2>&1; /usr/bin/cargo --offline test -q 2>&1 | grep result | sed 's/finished in.*//'
