// Makes a trace of coroutines: an iterator that is pulled from.
//   go run -trimpath pull.go pull_go123.trace
package main

import (
	"iter"
	"os"
	"runtime/trace"
)

func main() {
	f, _ := os.Create(os.Args[1])
	trace.Start(f)
	next, stop := iter.Pull(func(yield func(int) bool) {
		for i := 0; yield(i); i++ {
		}
	})
	for i := 0; i < 20; i++ {
		next()
	}
	stop()
	trace.Stop()
	f.Close()
}
