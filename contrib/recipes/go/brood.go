// A Go server as a worker of brood that waits for no sibling: a net.Listener on the wait set that
// the master gives (brood-protocol(7), "Wait sets"). Copy this file into your program; it uses the
// standard library only.
//
//	worker, err := OpenWorker()
//	go server.Serve(worker)     // worker is a net.Listener
//	worker.Ready()
//	<-worker.Draining           // finish what is there, then exit
//
// One goroutine sleeps in epoll_wait(2), in a thread of its own, as the kernel wants it: whoever
// really sleeps there is woken for its own connections, and for a neighbour's when that does not.
// A process that is stopped, starved or dead does not sleep there, so its connections are taken by
// others. It accepts one connection and hands it to the server before it waits for the next.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	leave      = -1 // "place" of the pipe that wakes the acceptor for the end
	pauseEmpty = 100 * time.Millisecond
	beatEvery  = time.Second
)

// Worker is a net.Listener.
type Worker struct {
	Draining chan struct{} // closed when the worker shall finish

	accepted chan net.Conn
	addr     net.Addr
	once     sync.Once

	channel int // -1 without a master
	set     int
	wake    [2]int

	mutex     sync.Mutex
	listeners []int
	own       map[int]bool

	writing   sync.Mutex
	takenOver atomic.Int64
	conns     atomic.Int64
	beatDue   atomic.Bool
}

type message struct {
	Brood      string   `json:"brood"`
	ID         int64    `json:"id,omitempty"`
	Listeners  []string `json:"listeners,omitempty"`
	Own        []int    `json:"own,omitempty"`
	More       bool     `json:"more,omitempty"`
	Conns      *int64   `json:"conns,omitempty"`
	Stolen     *int64   `json:"stolen,omitempty"`
	Neighbours int      `json:"neighbours,omitempty"`
}

// OpenWorker asks the master for the wait set. Without a master it binds 127.0.0.1:PORT (8080).
func OpenWorker() (*Worker, error) {
	w := &Worker{
		Draining: make(chan struct{}),
		accepted: make(chan net.Conn),
		own:      map[int]bool{},
		channel:  -1,
	}
	if err := syscall.Pipe2(w.wake[:], syscall.O_CLOEXEC); err != nil {
		return nil, err
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-signals
		w.drain()
	}()
	if text := os.Getenv("BROOD_CHANNEL_FD"); text != "" {
		return w, w.open(text)
	}
	return w, w.bind()
}

func (w *Worker) open(text string) error {
	var err error
	if w.channel, err = strconv.Atoi(text); err != nil {
		return fmt.Errorf("BROOD_CHANNEL_FD: %w", err)
	}
	syscall.CloseOnExec(w.channel)
	w.send(message{Brood: "ring"})
	r := reader{channel: w.channel}
	for whole := false; !whole; {
		m, fds, err := r.next()
		if err != nil {
			return fmt.Errorf("the master's answer: %w", err)
		}
		whole = w.take(m, fds)
	}
	go w.listen(&r)
	return w.watchWake()
}

// Without a master: a set of our own.
func (w *Worker) bind() error {
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	l, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		return err
	}
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		return err
	}
	fd := int(file.Fd())
	if w.set, err = syscall.EpollCreate1(syscall.EPOLL_CLOEXEC); err != nil {
		return err
	}
	_ = syscall.SetNonblock(fd, true)
	w.listeners = []int{fd}
	w.own[0] = true
	event := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: 0}
	if err := syscall.EpollCtl(w.set, syscall.EPOLL_CTL_ADD, fd, &event); err != nil {
		return err
	}
	return w.watchWake()
}

func (w *Worker) watchWake() error {
	event := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: leave, Pad: -1}
	if err := syscall.EpollCtl(w.set, syscall.EPOLL_CTL_ADD, w.wake[0], &event); err != nil {
		return err
	}
	if name, err := syscall.Getsockname(w.listeners[0]); err == nil {
		if in4, ok := name.(*syscall.SockaddrInet4); ok {
			w.addr = &net.TCPAddr{IP: in4.Addr[:], Port: in4.Port}
		}
	}
	go w.accept()
	return nil
}

// Ready tells the master that the server accepts.
func (w *Worker) Ready() {
	w.send(message{Brood: "ready"})
}

// ---- the channel

func (w *Worker) send(m message) {
	if w.channel < 0 {
		return
	}
	line, _ := json.Marshal(m)
	w.writing.Lock()
	defer w.writing.Unlock()
	// Short and rare: a master that does not read them is gone.
	_, _ = syscall.SendmsgN(w.channel, append(line, '\n'), nil, nil,
		syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL)
}

// reader cuts the channel into messages. Descriptors come with the first byte of their line, and a
// read ends behind the line that they came with.
type reader struct {
	channel int
	buffer  []byte
	fds     []int
}

func (r *reader) next() (message, *[]int, error) {
	var m message
	for {
		for i, c := range r.buffer {
			if c != '\n' {
				continue
			}
			err := json.Unmarshal(r.buffer[:i], &m)
			r.buffer = r.buffer[i+1:]
			return m, &r.fds, err
		}
		data := make([]byte, 65536)
		rights := make([]byte, syscall.CmsgSpace(4*253))
		n, nr, _, _, err := syscall.Recvmsg(r.channel, data, rights, syscall.MSG_CMSG_CLOEXEC)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || n == 0 {
			return m, nil, errors.New("the master is gone")
		}
		r.buffer = append(r.buffer, data[:n]...)
		controls, _ := syscall.ParseSocketControlMessage(rights[:nr])
		for i := range controls {
			fds, _ := syscall.ParseUnixRights(&controls[i])
			r.fds = append(r.fds, fds...)
		}
	}
}

func (w *Worker) listen(r *reader) {
	for {
		m, fds, err := r.next()
		if err != nil {
			w.drain()
			return
		}
		w.take(m, fds)
	}
}

// True: the list of listeners is whole.
func (w *Worker) take(m message, fds *[]int) bool {
	switch m.Brood {
	case "ring":
		w.mutex.Lock()
		defer w.mutex.Unlock()
		// The set comes first, then a descriptor for each listener; more may come later.
		if w.set == 0 && len(*fds) > 0 {
			w.set, *fds = (*fds)[0], (*fds)[1:]
		}
		for range m.Listeners {
			if len(*fds) == 0 {
				break
			}
			w.listeners = append(w.listeners, (*fds)[0])
			*fds = (*fds)[1:]
		}
		for _, place := range m.Own {
			w.own[place] = true
		}
		return !m.More
	case "drain":
		w.drain()
	case "ping":
		w.send(message{Brood: "pong", ID: m.ID})
	}
	return false
}

// Once a second, and only while connections come: an idle worker wakes nobody.
func (w *Worker) news() {
	if w.channel < 0 || !w.beatDue.CompareAndSwap(false, true) {
		return
	}
	time.AfterFunc(beatEvery, func() {
		w.beatDue.Store(false)
		conns, stolen := w.conns.Load(), w.takenOver.Load()
		w.send(message{Brood: "beat", Conns: &conns, Stolen: &stolen})
	})
}

// ---- connections

func (w *Worker) accept() {
	defer close(w.accepted)
	events := make([]syscall.EpollEvent, 1)
	for {
		n, err := syscall.EpollWait(w.set, events, -1)
		if err != nil && err != syscall.EINTR {
			return
		}
		if n < 1 {
			continue
		}
		if events[0].Fd == leave {
			break
		}
		w.acceptFrom(int(events[0].Fd))
	}
	// What has woken this worker has woken nobody else: it takes that along.
	events = make([]syscall.EpollEvent, 256)
	n, _ := syscall.EpollWait(w.set, events, 0)
	for i := 0; i < n; i++ {
		w.acceptFrom(int(events[i].Fd))
	}
}

func (w *Worker) acceptFrom(place int) {
	w.mutex.Lock()
	known := place >= 0 && place < len(w.listeners)
	var listener int
	if known {
		listener = w.listeners[place]
	}
	mine := w.own[place]
	w.mutex.Unlock()
	if !known {
		time.Sleep(time.Millisecond) // the line that names it is on its way
		return
	}
	fd, _, err := syscall.Accept4(listener, syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK)
	switch err {
	case nil:
	case syscall.EAGAIN, syscall.EINVAL, syscall.ECONNABORTED, syscall.EINTR, syscall.EPROTO:
		return // nothing is there after all
	default:
		time.Sleep(pauseEmpty) // no descriptors: the neighbours take what comes
		return
	}
	file := os.NewFile(uintptr(fd), "connection")
	conn, err := net.FileConn(file)
	_ = file.Close()
	if err != nil {
		return
	}
	if !mine {
		w.takenOver.Add(1)
	}
	w.conns.Add(1)
	w.news()
	w.accepted <- &counted{Conn: conn, worker: w}
}

type counted struct {
	net.Conn
	worker *Worker
	once   sync.Once
}

func (c *counted) Close() error {
	c.once.Do(func() { c.worker.conns.Add(-1) })
	return c.Conn.Close()
}

// Accept waits for the next connection; net.ErrClosed after the drain has begun and what had been
// accepted by then is taken.
func (w *Worker) Accept() (net.Conn, error) {
	if conn, ok := <-w.accepted; ok {
		return conn, nil
	}
	return nil, net.ErrClosed
}

// Close ends accepting.
func (w *Worker) Close() error {
	w.drain()
	return nil
}

// Addr is that of the first listener.
func (w *Worker) Addr() net.Addr {
	return w.addr
}

func (w *Worker) drain() {
	w.once.Do(func() {
		w.send(message{Brood: "stopping"})
		_ = syscall.Close(w.wake[1])
		close(w.Draining)
	})
}
