// Makes the traces beside it: goroutines that talk over channels, fight for a mutex,
// sleep, read a pipe; a task with regions and logs; a child process; a collection.
//   go run -trimpath everything.go everything_go123.trace
package main

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"runtime/trace"
	"sync"
	"time"
)

var mu sync.Mutex
var total int

func worker(in <-chan int, out chan<- int) {
	for v := range in {
		mu.Lock()
		for i := 0; i < 5000; i++ {
			total += i * v
		}
		mu.Unlock()
		out <- v * v
	}
}

func reader(r *os.File, done chan<- bool) {
	buf := make([]byte, 16)
	for {
		n, err := r.Read(buf)
		if n == 0 || err != nil {
			break
		}
	}
	done <- true
}

func main() {
	f, _ := os.Create(os.Args[1])
	trace.Start(f)
	in, out := make(chan int), make(chan int)
	for i := 0; i < 4; i++ {
		go worker(in, out)
	}
	r, w, _ := os.Pipe()
	done := make(chan bool)
	go reader(r, done)
	go func() {
		for i := 0; i < 30; i++ {
			in <- i
		}
		close(in)
	}()
	ctx, task := trace.NewTask(context.Background(), "squares")
	for i := 0; i < 30; i++ {
		trace.WithRegion(ctx, "one", func() { <-out })
		if i%10 == 0 {
			w.Write([]byte("hello"))
			trace.Log(ctx, "progress", "a third")
			time.Sleep(time.Millisecond)
		}
	}
	task.End()
	w.Close()
	<-done
	exec.Command("/bin/true").Run()
	runtime.GC()
	runtime.GOMAXPROCS(3)
	trace.Stop()
	f.Close()
}
