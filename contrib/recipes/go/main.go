// A small HTTP server under brood.
//
//	/           who answers
//	/io?ms=N    waits as one waits for a database
//	/cpu?ms=N   computes on one CPU
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"strconv"
	"time"
)

// Of idle connections when draining: a request may be on its way.
const idleGrace = 500 * time.Millisecond

func milliseconds(r *http.Request) time.Duration {
	n, err := strconv.Atoi(r.URL.Query().Get("ms"))
	if err != nil || n < 0 || n > 99999 {
		return 0
	}
	return time.Duration(n) * time.Millisecond
}

func answer(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/io":
		time.Sleep(milliseconds(r))
	case "/cpu":
		for end := time.Now().Add(milliseconds(r)); time.Now().Before(end); {
		}
	}
	fmt.Fprintf(w, "slot %s, pid %d\n", os.Getenv("BROOD_SLOT"), os.Getpid())
}

func main() {
	worker, err := OpenWorker()
	if err != nil {
		log.Fatal(err)
	}
	pid := strconv.Itoa(os.Getpid())
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Worker", pid)
		select {
		case <-worker.Draining:
			w.Header().Set("Connection", "close")
		default:
		}
		answer(w, r)
	})
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error)
	go func() { served <- server.Serve(worker) }()
	worker.Ready()
	<-worker.Draining
	<-served // all that was accepted has begun
	time.Sleep(idleGrace)
	_ = server.Shutdown(context.Background())
}
