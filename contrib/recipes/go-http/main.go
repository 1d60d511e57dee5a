// A net/http server that takes its socket as systemd hands it over (LISTEN_FDS), and finishes what
// is under way when it is told to end.
//
//	/         who answers
//	/io?ms=N  waits as one waits for a database
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

const firstListener = 3

// Of idle connections when leaving: a request may be on its way. More than a client's round trip.
const idleGrace = 500 * time.Millisecond

// The first socket that was handed over; run by hand it binds for itself.
func listen() (net.Listener, error) {
	if os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		return net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT"))
	}
	file := os.NewFile(firstListener, "listener")
	defer file.Close() // FileListener has its own copy
	return net.FileListener(file)
}

func answer(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/io" {
		ms, _ := strconv.Atoi(r.URL.Query().Get("ms"))
		time.Sleep(time.Duration(ms) * time.Millisecond)
	}
	w.Header().Set("X-Worker", strconv.Itoa(os.Getpid()))
	fmt.Fprintf(w, "pid %d\n", os.Getpid())
}

// Shutdown alone closes idle connections without a word. Told before with the answer to its last
// request, no client sends another one there.
func closing(told context.Context, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if told.Err() != nil {
			w.Header().Set("Connection", "close")
		}
		next(w, r)
	}
}

func main() {
	listener, err := listen()
	if err != nil {
		log.Fatal(err)
	}
	told, _ := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	server := &http.Server{Handler: closing(told, answer), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		if err := server.Serve(listener); err != http.ErrServerClosed {
			log.Fatal(err)
		}
	}()
	<-told.Done()
	time.Sleep(idleGrace)
	if err := server.Shutdown(context.Background()); err != nil {
		log.Fatal(err)
	}
}
