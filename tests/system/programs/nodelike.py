"""A worker of Node's cluster that says what a test wants, and no more: for take = node. It prints what it
finds, a line each. nodelike.py MODE; the modes are the functions below."""
import array, json, os, select, signal, socket, sys, time

channel = socket.socket(fileno=3)
slot = os.environ['BROOD_SLOT']
pending, fds, lines = b'', [], []


def say(text):
    os.write(1, f'{text}\n'.encode())


def send(message, *sockets):
    data = message if isinstance(message, bytes) else json.dumps(message).encode()
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [s.fileno() for s in sockets]))]
    data += b'\n'
    n = channel.sendmsg([data], ancillary if sockets else [])
    while n < len(data):
        n += channel.send(data[n:])


def cluster(**members):
    send(dict(cmd='NODE_CLUSTER', **members))


def read(timeout):
    global pending
    if not select.select([channel], [], [], timeout)[0]:
        return False
    data, ancillary, _, _ = channel.recvmsg(65536, socket.CMSG_SPACE(4 * 64))
    for _, _, bytes_ in ancillary:
        numbers = array.array('i')
        numbers.frombytes(bytes_)
        fds.extend(numbers)
    if not data:
        sys.exit(0)
    *whole, pending = (pending + data).split(b'\n')
    lines.extend(json.loads(line) for line in whole)
    return True


def receive(timeout=10):
    """The next message, or None."""
    end = time.monotonic() + timeout
    while not lines:
        left = end - time.monotonic()
        if left <= 0 or (not read(left) and not lines):
            return None
    return lines.pop(0)


def query(port, seq, index=0):
    cluster(act='queryServer', index=index, data=None, address='127.0.0.1', port=port, addressType=4,
            backlog=0, flags=0, seq=seq)


def ack():
    send({'cmd': 'NODE_HANDLE_ACK'})


def listen(port):
    """As Node does it; the listening socket and the key, or None where connections will come."""
    cluster(act='online', seq=0)
    query(port, 1)
    answer = receive()
    sock = None
    if answer['cmd'] == 'NODE_HANDLE':
        sock = socket.socket(fileno=fds.pop(0))
        answer = answer['msg']
        ack()
    cluster(act='listening', address='127.0.0.1', port=port, addressType=4, seq=2)
    return sock, answer['key']


def leave():
    """Ends when it is told to."""
    while True:
        message = receive(60)
        if message is None or message.get('act') == 'disconnect':
            sys.exit(0)


def gate(port):
    """One handle at a time; other lines pass it by; a NACK is answered by the same, three times."""
    cluster(act='online', seq=0)
    query(port, 1)
    query(0, 2)
    send({'brood': 'ready'})
    said = []
    while not said or said[-1] is not None:
        said.append(receive(0.5 if said else 10))
    said.pop()
    say('out %d' % sum(m.get('cmd') == 'NODE_HANDLE' for m in said))
    say('hello %d' % sum(m.get('brood') == 'hello' for m in said))
    say(f'descriptors {len(fds)}')
    for i in range(3):
        send({'cmd': 'NODE_HANDLE_NACK'})
        say(f"again {receive()['msg']['ack']}")
    ack()
    say(f"next {receive()['msg']['ack']}")
    for i in range(4):
        send({'cmd': 'NODE_HANDLE_NACK'})
        message = receive()
        say(f"again {message['msg']['ack']}" if 'msg' in message else
            f"errno {message['errno']} {message['ack']}")
    query(port, 3)
    query(0, 4)
    say(f"errno {receive()['errno']}")
    say(f"at last {receive()['msg']['ack']}")
    leave()


def handles(port):
    """What comes with a descriptor is acknowledged, whatever it is."""
    listen(port)
    while not os.path.exists('go'):
        time.sleep(0.02)
    a, b = socket.socketpair()
    for name, message, sockets in (
            ('plain', {'cmd': 'NODE_HANDLE', 'type': 'net.Socket', 'msg': 1}, [a]),
            ('none', {'cmd': 'NODE_HANDLE', 'type': 'net.Socket', 'msg': 1}, []),
            ('long', b'{"cmd":"NODE_HANDLE","type":"net.Socket","msg":"' + b'x' * 200000 + b'"}', [a]),
            ('deep', b'{"cmd":"NODE_HANDLE","type":"net.Socket","msg":' + b'[' * 3000 + b']' * 3000 + b'}',
             [a]),
            ('unknown', {'cmd': 'NODE_HANDLE', 'type': 'net.Tomorrow', 'msg': {'a': 1}}, [a]),
            ('datagram', {'cmd': 'NODE_HANDLE', 'type': 'net.Socket',
                          'msg': {'brood': 'send', 'to': f'web.{slot}', 'data': 1}},
             [socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0]]),
            ('twice', {'cmd': 'NODE_HANDLE', 'type': 'net.Native',
                       'msg': {'cmd': 'NODE_HANDLE', 'type': 'net.Socket', 'key': 'k',
                               'msg': {'brood': 'send', 'to': f'web.{slot}', 'data': 2}}}, [a])):
        send(message, *sockets)
        answer = receive()
        while 'brood' in answer:
            answer = receive()
        say(f"{name} {answer['cmd'][12:]}")
    message = receive()
    say(f"got {message['type']} {message['key']} {message['msg']['data']} {len(fds)}")
    ack()
    send({'cmd': 'NODE_SOCKET_GET_COUNT', 'key': 'k'})
    say(f'count {receive()["count"]}')
    send({'cmd': 'NODE_SOCKET_NOTIFY_CLOSE', 'key': 'k'})
    say(receive()['cmd'])
    send({'cmd': 'NODE_TOMORROW', 'x': 1})
    cluster(act='tomorrow', seq=7)
    cluster(ack=4711, accepted=True, seq=8)
    cluster(act='close', key='nobody has it', seq=9)
    send(b'')
    send(b'{"cmd":"NODE_CLUSTER","act":')
    for i in range(20):
        send('a line has none', a, a, a)
    a.close()
    send({'brood': 'send', 'to': f'web.{slot}', 'data': 3})
    say(f"heard {receive()['data']}")
    leave()


def serve(port, refuse=False, ill=None):
    """Takes the connections that it is given; refuse: none. ill: what it does instead, once."""
    sock, key = listen(port)
    given = 0
    while True:
        ready = select.select([channel] + ([sock] if sock else []), [], [])[0]
        if sock in ready and not os.path.exists('stalled.' + slot):
            answer(sock.accept()[0], 'own')
        if channel not in ready:
            time.sleep(0.01 if sock in ready else 0)
            continue
        message = receive()
        if message.get('act') == 'disconnect':
            say(f'given {given}')
            sys.exit(0)
        if message['cmd'] != 'NODE_HANDLE':
            continue
        given += 1
        if ill and os.path.exists(ill + '.' + slot):
            os.unlink(ill + '.' + slot)
            os.kill(os.getpid(), signal.SIGKILL)
        ack()
        client = socket.socket(fileno=fds.pop(0))
        cluster(ack=message['msg']['seq'], accepted=not refuse, seq=3 + given)
        if not refuse:
            answer(client, 'given')
        client.close()


def answer(client, how):
    client.settimeout(10)
    client.recv(4096)
    text = f'{slot} {how} {os.getpid()}\n'.encode()
    client.sendall(b'HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s' % (len(text), text))
    client.close()


def refusing(port):
    """The worker of slot 0 takes none."""
    serve(port, refuse=slot == '0')


def dying(port):
    """Dies, once, when it is given one and the file dying.SLOT is there."""
    serve(port, ill='dying')


globals()[sys.argv[1]](int(sys.argv[2]))
