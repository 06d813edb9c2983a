# Needs: go
cat > t.go <<'G'
package main
import ("fmt"; "io"; "net"; "net/http"; "net/http/httptest"; "os"; "os/exec"; "os/signal"; "runtime"; "sync"; "syscall"; "time")
func main() {
	var wg sync.WaitGroup; var mu sync.Mutex; n := 0
	for i := 0; i < 100; i++ { wg.Add(1); go func(i int) { defer wg.Done(); for j := 0; j < 100; j++ { mu.Lock(); n += i; mu.Unlock(); if j%10 == 0 { runtime.Gosched() } } }(i) }
	wg.Wait(); fmt.Println(n)
	c := make(chan int); go func() { for i := 0; i < 5; i++ { c <- i }; close(c) }(); for v := range c { fmt.Print(v, " ") }; fmt.Println()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "path %s", r.URL.Path) })); r, err := http.Get(s.URL + "/x"); if err != nil { fmt.Println(err) } else { b, _ := io.ReadAll(r.Body); fmt.Println(string(b)) }; s.Close()
	out, err := exec.Command("sh", "-c", "echo out; exit 3").Output(); fmt.Printf("%q %v\n", out, err)
	os.MkdirAll("d/e", 0o755); os.WriteFile("d/e/f", []byte("text"), 0o600); b, _ := os.ReadFile("d/e/f"); st, _ := os.Stat("d/e/f"); fmt.Println(string(b), st.Mode(), st.Size()); _, err = os.Open("nothing"); fmt.Println(err)
	ch := make(chan os.Signal, 1); signal.Notify(ch, syscall.SIGUSR1); syscall.Kill(os.Getpid(), syscall.SIGUSR1); fmt.Println(<-ch)
	a, z := net.Pipe(); go func() { z.Write([]byte("pipe")); z.Close() }(); p, _ := io.ReadAll(a); fmt.Println(string(p))
	select { case <-time.After(20 * time.Millisecond): fmt.Println("after") }; func() { defer func() { fmt.Println("recovered:", recover()) }(); var m map[string]int; m["x"] = 1 }()
	var q *int; defer func() { fmt.Println(recover()); os.Exit(4) }(); fmt.Println(*q)
}
G
export GOCACHE=$PWD/cache GOPATH=$PWD/gopath GOFLAGS=-mod=mod GOTOOLCHAIN=local CGO_ENABLED=0; go version | cut -d' ' -f1-2; go build -o t t.go 2>&1; ./t; echo $?; gofmt -l t.go; go vet t.go 2>&1 | head -3
