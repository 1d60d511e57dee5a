// sleepers COUNT: bytes of memory for each of so many goroutines that sleep.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

func resident() int {
	text, _ := os.ReadFile("/proc/self/statm")
	pages, _ := strconv.Atoi(strings.Fields(string(text))[1])
	return pages * os.Getpagesize()
}

func main() {
	count, _ := strconv.Atoi(os.Args[1])
	runtime.GC()
	before := resident()
	for i := 0; i < count; i++ {
		go time.Sleep(time.Minute)
	}
	time.Sleep(time.Second)
	fmt.Println((resident() - before) / count)
}
